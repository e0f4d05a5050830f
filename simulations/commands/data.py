"""`tacit-sim data ...`: other people's data sets, and reasoning data, as files that the other commands take."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out

if TYPE_CHECKING:
    from simulations.population.conversation_log import ConversationLog
    from simulations.population.reasoning.example import ReasoningExample

app = typer.Typer(
    help="Make files of pairs or conversations from WildChat, PRISM, PRM800K, or from nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_Out = Annotated[
    Path, typer.Option("--out", help="New file of preference pairs: `tacit-sim run --data jsonl` takes it.")
]
_OutDirectory = Annotated[
    Path, typer.Option("--out", help="New directory: one file of conversations a user, as `tacit pairs` takes them.")
]
_Seed = Annotated[int, typer.Option(help="Of what is drawn.", min=0)]


@app.command()
def reasoning(
    out_file: _Out,
    count: Annotated[int, typer.Option(help="Conversations.", min=1)] = 10_000,
    users: Annotated[int, typer.Option(help="Simulated users that they are dealt out to.", min=1)] = 100,
    held_out: Annotated[bool, typer.Option("--held-out", help="Problem families and wordings kept for tests.")] = False,
    seed: _Seed = 0,
) -> None:
    """Math problems with a wrong step, a user who points at it, and the right solution: revision over wrong reply."""
    from simulations.population.reasoning.generator import generate_examples

    with explained_here("nothing whole was written"):
        _require_new(out_file)
        examples = generate_examples(count, seed=seed, held_out_families=held_out, held_out_wordings=held_out)
        _write_pairs(out_file, examples, users)


@app.command()
def prm800k(
    paths: Annotated[list[Path], typer.Argument(help="PRM800K's phase1 and phase2 files.")],
    out_file: _Out,
    users: Annotated[int, typer.Option(help="Simulated users that they are dealt out to.", min=1)] = 100,
    complete: Annotated[
        bool, typer.Option(help="Only corrections that reach the answer; others stop after the corrected step.")
    ] = True,
    seed: _Seed = 0,
) -> None:
    """The same from PRM800K: the first step that a labeller rated wrong, and what the labels give instead."""
    from simulations.population.reasoning.prm800k import load_prm800k

    with explained_here("nothing whole was written"):
        _require_new(out_file)
        found = load_prm800k(paths, seed=seed)
        usable = [
            one
            for one in found.examples
            if one.corrected_steps is not None and (one.correction_is_complete or not complete)
        ]
        _say_left_out({**found.left_out, "without a (complete) correction": len(found.examples) - len(usable)})
        _write_pairs(out_file, usable, users)


@app.command()
def wildchat(
    paths: Annotated[
        list[Path], typer.Argument(help="WildChat-1M's rows: .jsonl, .jsonl.gz, .parquet or directories.")
    ],
    out_directory: _OutDirectory,
    minimum: Annotated[int, typer.Option(help="Conversations that a user must have.", min=1)] = 10,
    language: Annotated[str | None, typer.Option(help="Only conversations in it, such as English.")] = None,
    regenerate: Annotated[
        str | None, typer.Option(help="A model that answers anew: the paper's WildLlamaChat, with any base.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="Of a regenerated reply.", min=1)] = 512,
    seed: _Seed = 0,
) -> None:
    """WildChat's users, each with their conversations in time order."""
    from simulations.population.wildchat import WildChatFilter, load_wildchat

    with explained_here("nothing whole was written"):
        _require_new(out_directory)
        salt = hashlib.sha256(f"tacit wildchat {seed}".encode()).digest()
        log = load_wildchat(paths, salt=salt, keep=WildChatFilter(minimum_conversations=minimum, language=language))
        _write_log(log, out_directory, regenerate=regenerate, max_new_tokens=max_new_tokens, seed=seed)


@app.command()
def prism(
    directory: Annotated[Path, typer.Argument(help="Holds survey.jsonl, conversations.jsonl and utterances.jsonl.")],
    out_file: Annotated[
        Path | None, typer.Option("--pairs", help="File of pairs: the chosen reply over others.")
    ] = None,
    out_directory: Annotated[
        Path | None, typer.Option("--conversations", help="New directory: one file of conversations a user.")
    ] = None,
    persona: Annotated[
        str, typer.Option(help="none, stated preferences, system string or self-description (sensitive).")
    ] = "none",
) -> None:
    """PRISM's participants: what they chose, and what they said."""
    from shared.preference_files import write_preference_lines
    from shared.preference_lines import PreferenceLine
    from simulations.population.prism import load_prism

    with explained_here("nothing whole was written"):
        if persona not in ("none", "stated preferences", "system string", "self-description"):
            raise ConfigError("--persona must be none, stated preferences, system string or self-description")
        for path in (out_file, out_directory):
            if path is not None:
                _require_new(path)
        found = load_prism(directory, persona=persona)  # type: ignore[arg-type]  # checked above
        _say_left_out(found.population.left_out)
        if out_file is not None:
            recorded = found.population.recorded_pairs()
            write_preference_lines(
                out_file,
                [PreferenceLine(pair=one.pair, user_id=one.user_id, question_id=one.group) for one in recorded],
            )
            out.print(f"{len(recorded)} pairs of {len(found.population)} people: {out_file}", highlight=False)
        if out_directory is not None:
            _write_log(found.conversations, out_directory, regenerate=None, max_new_tokens=0, seed=0)


def _write_pairs(path: Path, examples: Iterable[ReasoningExample], users: int) -> None:
    from shared.preference_files import write_preference_lines
    from shared.preference_lines import PreferenceLine

    lines = [
        PreferenceLine(pair=one.as_pair(), user_id=f"solver-{place % users}", question_id=one.example_id)
        for place, one in enumerate(examples)
    ]
    write_preference_lines(path, lines)
    out.print(f"{len(lines)} pairs of {min(users, len(lines))} users: {path}", highlight=False)


def _write_log(
    log: ConversationLog, directory: Path, *, regenerate: str | None, max_new_tokens: int, seed: int
) -> None:
    from client.conversation_files import write_conversations
    from shared.language_model import ModelConfig, load_language_model
    from simulations.population.wildllamachat import regenerate_assistant_turns

    _say_left_out(log.left_out)
    histories: Sequence[Sequence[object]] = [user.conversations for user in log.users]
    conversations = [one for user in log.users for one in user.conversations]
    if regenerate is not None:
        model = load_language_model(ModelConfig(name=regenerate))
        with out.status(f"{model.name} answers {len(conversations)} conversations anew"):
            made = regenerate_assistant_turns(conversations, model, max_new_tokens=max_new_tokens, seed=seed)
        conversations = list(made.conversations)
        if made.truncated:
            out.print(f"{len(made.truncated)} replies were cut at {max_new_tokens} tokens", highlight=False)
    directory.mkdir(parents=True)
    place = 0
    for number, history in enumerate(histories):
        write_conversations(directory / f"user-{number:06d}.jsonl", conversations[place : place + len(history)])
        place += len(history)
    out.print(f"{len(conversations)} conversations of {len(histories)} users: {directory}", highlight=False)


def _say_left_out(left_out: Mapping[str, int]) -> None:
    said = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
    if said:
        out.print(f"left out: {said}", highlight=False)


def _require_new(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} is there already: name a new one")
