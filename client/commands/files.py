"""`tacit files`: what the device does, on plain files instead of a profile's vault. For researchers and scripts.

Nothing leaves the device, unless the user names a server of their policy file to rewrite and judge.

PyTorch and the rest are imported by the commands that use them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from client.commands.file_personal import app as personal_app
from client.commands.file_training import check, train
from client.commands.learn import edited, show_persona
from shared.command_line import explained

if TYPE_CHECKING:
    from client.endpoint_policy import Purpose
    from client.followups import FollowUpClassifier
    from client.model_server import ModelServer
    from client.pair_making import PairReport
    from client.persona.book import PersonaBook
    from client.rewards import Reward
    from shared.causal_lm import LanguageModel
    from shared.conversation import Conversation

out, err = Console(), Console(stderr=True)
app = typer.Typer(
    help="The same on plain files, without a profile: make pairs, look at them, train on them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(check)
app.command()(train)
app.add_typer(personal_app, name="personal")

_Conversations = Annotated[
    Path,
    typer.Argument(help="Your conversations: JSON lines with `conversation_id`, `messages` and, if known, `started`."),
]
_Book = Annotated[Path, typer.Option("--book", help="Your persona: a file that only you can read.")]
_Model = Annotated[str, typer.Option(help="tacit-tiny, a Hugging Face name, or a directory.")]


@app.command()
def persona(
    conversations: Annotated[
        Path | None, typer.Argument(help="Your conversations; read what is new in them. Left out: only show or change.")
    ] = None,
    book: _Book = Path("persona.json"),
    model: _Model = "tacit-tiny",
    write: Annotated[
        str | None, typer.Option(help="Add a statement in your own words; it stands above others.")
    ] = None,
    lock: Annotated[int | None, typer.Option(help="Keep statement NUMBER as it is, whatever you say later.")] = None,
    strike: Annotated[int | None, typer.Option(help="Never state NUMBER again, nor the like.")] = None,
) -> None:
    """Read what your assistant believes of you, and change it.

    Statements come from what you said, with the place where you said it; newer words weigh more. Health, religion,
    politics, sexuality, ethnicity and contact data are left out.

    Examples:

      tacit files persona conversations.jsonl

      tacit files persona --write "Prefers metric units."

      tacit files persona --strike 2
    """
    from client.persona.book import load_book, save_book

    with _explained():
        before = load_book(book)
        after = before
        if conversations is not None:
            after = _read_new(after, conversations, model)
        after = edited(after, write=write, lock=lock, strike=strike)
        if after != before:
            save_book(after, book)
        show_persona(after)


@app.command()
def pairs(
    conversations: _Conversations,
    out_file: Annotated[Path, typer.Option("--out", help="New file for the pairs; only you can read it.")],
    book: _Book = Path("persona.json"),
    model: _Model = "tacit-tiny",
    server: Annotated[
        str | None,
        typer.Option(
            help="A local OpenAI-compatible server that rewrites and judges: its address on this machine, such as "
            "http://127.0.0.1:11434/v1, or a name from --policy."
        ),
    ] = None,
    server_model: Annotated[str | None, typer.Option(help="The model that the server is asked for.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Your policy: which servers elsewhere may read your words, by name.")
    ] = None,
    reward: Annotated[
        str, typer.Option(help="pmi (no further model), judge, or the name or directory of a reward model.")
    ] = "pmi",
    classifier: Annotated[str, typer.Option(help="Of follow-ups: light (no model) or model.")] = "light",
    candidates: Annotated[int, typer.Option(help="Replies sampled for a reward pair.", min=2)] = 8,
    limit: Annotated[int, typer.Option(help="Pairs of each kind that are tried, at most.", min=1)] = 50,
    max_new_tokens: Annotated[int, typer.Option(help="Of a reply; longer ones do not train.", min=1)] = 256,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Ablation: redo replies without your feedback.")
    ] = False,
    user_agnostic: Annotated[
        bool, typer.Option("--user-agnostic", help="Ablation: rank without your persona.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of what is drawn and sampled.", min=0)] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of pairs that is there.")] = False,
) -> None:
    """Make preference pairs from your conversations, and say why others were not made.

    Where you asked for a reply to be redone, it is; where you said nothing, replies are ranked under your persona.
    `tacit files train` learns from the result.

    Example:

      tacit files pairs conversations.jsonl --out pairs.jsonl
    """
    from client.conversation_files import read_conversations
    from client.learning import persona_text
    from client.pair_making import Models, PairMakingConfig, UserHistory, make_pairs
    from client.persona.book import load_book, save_book
    from shared.language_model import ModelConfig, load_language_model
    from shared.preference_files import write_preference_lines
    from shared.preference_lines import PreferenceLine

    with _explained("your pairs were not written"):
        if out_file.exists() and not overwrite:
            raise FileExistsError(f"{out_file} is there already: name a new file, or add --overwrite")
        history = read_conversations(conversations)
        own = load_language_model(ModelConfig(name=model))
        models = Models(
            own=own,
            classifier=_classifier(classifier, own),
            rewriter=_writer(own, "rewrite", server, server_model, policy),
            reward=_reward(reward, own, _writer(own, "judge", server, server_model, policy)),
        )
        known = load_book(book)
        read = _update(known, history, own)
        if read != known:
            save_book(read, book)
        config = PairMakingConfig(
            rewrites=limit,
            rewards=limit,
            candidates=candidates,
            max_new_tokens=min(max_new_tokens, own.context_length // 2),
            rewrite_mode="from-scratch" if from_scratch else "feedback",
            reward_knows_persona=not user_agnostic,
        )
        with out.status("reading") as status:
            report = make_pairs(
                [UserHistory(conversations=history, persona=persona_text(read, own))],
                models,
                config,
                seed=seed,
                progress=status.update,
            )[0]
        write_preference_lines(out_file, [PreferenceLine(pair=pair) for pair in report.pairs])
        _show_report(report)
        out.print(f"pairs: {out_file}", markup=False, highlight=False)


def _read_new(book: PersonaBook, path: Path, model: str) -> PersonaBook:
    from client.conversation_files import read_conversations
    from shared.language_model import ModelConfig, load_language_model

    history = read_conversations(path)
    return _update(book, history, load_language_model(ModelConfig(name=model)))


def _update(book: PersonaBook, history: tuple[Conversation, ...], model: LanguageModel) -> PersonaBook:
    from rich.progress import Progress

    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("reading conversations", total=len(history))
        return book.update(history, model, progress=lambda done: bar.update(task, completed=done))


def _writer(
    own: LanguageModel, purpose: Purpose, server: str | None, server_model: str | None, policy: Path | None
) -> LanguageModel | ModelServer:
    from client.endpoint_policy import EndpointPolicy
    from client.model_server import ModelServer, ModelServerError

    if server is None:
        return own
    if server_model is None:
        raise ModelServerError("name the server's model with --server-model")
    rules = EndpointPolicy.load(policy) if policy is not None else EndpointPolicy()
    return ModelServer(rules.resolve(server, purpose), model=server_model)


def _classifier(name: str, own: LanguageModel) -> FollowUpClassifier:
    from client.followups.by_model import ModelFollowUpClassifier
    from client.followups.light import LightFollowUpClassifier

    if name not in ("light", "model"):
        raise typer.BadParameter("must be light or model", param_hint="--classifier")
    return ModelFollowUpClassifier(own) if name == "model" else LightFollowUpClassifier.packaged()


def _reward(name: str, own: LanguageModel, judge: LanguageModel | ModelServer) -> Reward:
    from client.rewards.judge import ModelJudge
    from client.rewards.mutual_information import PersonaMutualInformation
    from client.rewards.reward_model import load_reward_model

    if name == "pmi":
        return PersonaMutualInformation(own)
    return ModelJudge(judge) if name == "judge" else load_reward_model(name)


def _show_report(report: PairReport) -> None:
    made = Table.grid(padding=(0, 2))
    for origin in ("rewrite", "reward"):
        made.add_row(f"{origin} pairs", str(sum(one.origin == origin for one in report.accepted)))
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.labels.items()))
    made.add_row("what you said after replies", kinds or "nothing")
    for (origin, reason), count in sorted(report.reasons().items()):
        made.add_row(f"no {origin} pair", f"{count}: {reason.value}")
    out.print(made, highlight=False)


def _expected() -> tuple[type[Exception], ...]:
    from client.endpoint_policy import EndpointRefusedError
    from client.followups.light import LightWeightsError
    from client.model_server import ModelServerError
    from client.persona.book import PersonaBookError
    from client.rewards.reward_model import RewardModelError
    from shared.chat_format import ChatTemplateError
    from shared.language_model import LanguageModelError
    from shared.preference_files import PreferenceFileError

    return (
        ChatTemplateError,
        EndpointRefusedError,
        LanguageModelError,
        LightWeightsError,
        ModelServerError,
        OSError,
        PersonaBookError,
        PreferenceFileError,
        RewardModelError,
    )


def _explained(interrupted: str = "your persona is as it was") -> AbstractContextManager[None]:
    return explained(_expected, err, interrupted=interrupted)
