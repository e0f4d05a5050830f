"""`tacit files check` and `tacit files train`: pairs in a file, without a profile."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.command_line import explained

if TYPE_CHECKING:
    from shared.preference_lines import PreferenceLine

out, err = Console(), Console(stderr=True)

_Pairs = Annotated[
    Path, typer.Argument(help="Your preference pairs: JSON lines in TRL's conversational format, optional `persona`.")
]
_Model = Annotated[str, typer.Option(help="tacit-tiny, a Hugging Face name, or a directory.")]


def check(pairs_file: _Pairs, model: _Model = "tacit-tiny") -> None:
    """Read your pairs as training would, and say what is in them without showing any.

    Malformed lines are named by file, line and field.
    """
    from client.packing import encode_pair
    from client.training import TrainingConfig
    from shared.language_model import ModelConfig, load_language_model

    with _explained():
        lines = _read(pairs_file)
        base = load_language_model(ModelConfig(name=model))
        limits = TrainingConfig().limits()
        encoded = [
            encode_pair(
                base,
                line.pair,
                max_prompt_tokens=limits.max_prompt_tokens,
                max_completion_tokens=limits.max_completion_tokens,
            )
            for line in lines
        ]
        origins = Counter(line.pair.origin for line in lines)
        table = Table.grid(padding=(0, 2))
        table.add_row("pairs", f"{len(lines)} ({', '.join(f'{n} {origin}' for origin, n in sorted(origins.items()))})")
        table.add_row("with a persona", str(sum(line.pair.persona is not None for line in lines)))
        table.add_row("tokens", f"{sum(map(len, encoded))} in all, {max(map(len, encoded))} in the longest pair")
        table.add_row("prompts that are cut", str(sum(pair.prompt_was_cut for pair in encoded)))
        table.add_row("replies that are cut", str(sum(pair.completion_was_cut for pair in encoded)))
        out.print(table, highlight=False)


def train(
    pairs_file: _Pairs,
    out_directory: Annotated[Path, typer.Option("--out", help="New directory for the adapter; only you can read it.")],
    model: _Model = "tacit-tiny",
    steps: Annotated[int, typer.Option(help="Gradient steps.", min=1)] = 20,
    learning_rate: Annotated[float, typer.Option(help="Of Adam; above 0.", min=1e-9)] = 0.01,
    rank: Annotated[int, typer.Option(help="Of the LoRA adapter.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="Of the order of pairs.", min=0)] = 0,
) -> None:
    """Train an adapter of your own on your own pairs, alone. It stays here: no one else gets it."""
    from client.pair_scores import pair_margins
    from client.training import TrainingConfig, train_locally
    from shared.adapter import attach_adapter
    from shared.adapter_spec import AdapterConfig
    from shared.language_model import ModelConfig, load_language_model
    from shared.privacy.noise import SeededTestNoise

    with _explained():
        lines = _read(pairs_file)
        if out_directory.exists():
            raise FileExistsError(f"{out_directory} is there already: name a new directory")
        adapted = attach_adapter(load_language_model(ModelConfig(name=model)), AdapterConfig(rank=rank))
        config = TrainingConfig(
            learning_rate=learning_rate, optimizer="adam", local_steps=steps, max_pairs=max(1, len(lines))
        )
        mine = [line.pair for line in lines]
        with out.status(f"{steps} steps on {len(mine)} pairs"):
            start = adapted.read()
            # No noise is drawn: an adapter that stays needs none.
            update = train_locally(adapted, start, mine, config, noise=SeededTestNoise(0), seed=seed)
            trained = start + update.vector
            margins = pair_margins(adapted, trained, mine, config)
        adapted.load(trained)
        out_directory.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out_directory.parent, prefix=".training-") as made:  # mode 0700
            adapted.save(Path(made) / "adapter")
            (Path(made) / "adapter").chmod(0o700)
            (Path(made) / "adapter").rename(out_directory)
        told = float((margins > 0).mean())
        out.print(
            f"{len(mine)} pairs, {steps} steps, {update.seconds:.1f} s: {told:.0%} of them are told right now "
            "(your own training pairs: a check that it learned, not how well it serves you)",
            highlight=False,
        )
        out.print(f"adapter: {out_directory} (for {adapted.spec.base_name})", markup=False, highlight=False)


def _read(path: Path) -> tuple[PreferenceLine, ...]:
    from client.training import NoPairsError
    from shared.preference_files import read_preference_lines

    lines = read_preference_lines(path, user_id_required=False)
    if not lines:
        raise NoPairsError(f"{path} holds no pairs")
    return lines


def _expected() -> tuple[type[Exception], ...]:
    from client.training import TrainingError
    from shared.adapter_spec import AdapterError
    from shared.chat_format import ChatTemplateError
    from shared.language_model import LanguageModelError
    from shared.preference_files import PreferenceFileError

    return (AdapterError, ChatTemplateError, LanguageModelError, OSError, PreferenceFileError, TrainingError)


def _explained() -> AbstractContextManager[None]:
    return explained(_expected, err, interrupted="nothing was written")
