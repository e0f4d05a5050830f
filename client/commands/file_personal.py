"""`tacit files personal`: an adapter of one's own, for a device whose pairs are a file and not a profile's vault."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.command_line import explained

if TYPE_CHECKING:
    from client.device import InstalledDevice
    from client.personal_training import PersonalChange

out, err = Console(), Console(stderr=True)

app = typer.Typer(
    help="An adapter of your own, on top of the shared one. It is trained here, kept here and never sent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_State = Annotated[Path, typer.Option("--state-dir", help="The device's state directory, as its SuperNode names it.")]
_NO_SHARED = "no shared adapter is kept in {}: it comes with the first round that this device answers"


@app.command()
def train(
    pairs_file: Annotated[Path, typer.Argument(help="Your preference pairs, as for `tacit files check`.")],
    state_directory: _State,
    steps: Annotated[int, typer.Option(help="Gradient steps.", min=1)] = 6,
    step_length: Annotated[float, typer.Option(help="L2 norm of each; above 0.", min=1e-6)] = 0.5,
) -> None:
    """Train on your own pairs, on top of the shared adapter, and choose on some of them how much of it to use.

    The shared adapter is the one that came with the last round that your device answered. Run this again when another
    has come. Example:

      tacit files personal train pairs.jsonl --state-dir ~/.tacit/device
    """
    from client.device import DeviceError
    from client.personal_training import PersonalTraining, train_personal
    from client.update import training_config
    from shared.adapter import attach_adapter
    from shared.language_model import load_language_model
    from shared.preference_files import read_preference_lines

    with _explained():
        device = _device(state_directory)
        kept = device.adapters()
        shared = kept.shared()
        if shared is None:
            raise DeviceError(_NO_SHARED.format(state_directory))
        lines = read_preference_lines(pairs_file, user_id_required=False)
        adapted = attach_adapter(load_language_model(shared.plan.model), shared.plan.adapter)
        if adapted.spec.digest() != shared.spec_digest:
            raise DeviceError("the base model on this device is not the one that the shared adapter was made for")
        how = PersonalTraining(steps=steps, step_length=step_length)
        before = kept.personal(shared.spec_digest)
        start = None if before is None else before.vector
        if start is None and adapted.spec.config.federation.personal:
            start = device.personal().last(shared.run, shared.spec_digest)
        with out.status(f"{steps} steps"):
            change = train_personal(
                adapted,
                shared.vector,
                [line.pair for line in lines],
                training_config(shared.plan),
                how=how,
                start=start,
            )
        if not change.losses:
            out.print(
                f"{len(lines)} pairs are too few to train on and to choose by: at least {how.least_pairs}, better ten. "
                "Nothing has changed",
                highlight=False,
            )
            return
        kept.keep_personal(shared.spec_digest, change)
        show_change(change)


@app.command()
def show(state_directory: _State) -> None:
    """Say what is kept here: which shared adapter, and how much of your own is used on top of it."""
    with _explained():
        kept = _device(state_directory).adapters()
        shared = kept.shared()
        if shared is None:
            out.print(_NO_SHARED.format(state_directory), markup=False, highlight=False)
            return
        plan = shared.plan
        out.print(
            f"shared adapter: {plan.adapter.method}, rank {plan.adapter.rank}, for {plan.model.name}; {shared.origin}",
            markup=False,
            highlight=False,
        )
        change = kept.personal(shared.spec_digest)
        if change is None:
            out.print("your own: none for this adapter (`tacit files personal train`)", highlight=False)
        else:
            show_change(change)


@app.command()
def forget(state_directory: _State) -> None:
    """Remove every adapter of your own, and what a method kept here. The shared one stays, and so do your pairs."""
    with _explained():
        device = _device(state_directory)
        gone = [device.adapters().forget_personal(), device.personal().forget()]
        out.print("your own adapter is gone" if any(gone) else "there was none", highlight=False)


def show_change(change: PersonalChange) -> None:
    table = Table(title=f"loss of {change.held_out} of your pairs that it was not trained on", title_justify="left")
    for weight in change.losses:
        table.add_column(f"{weight:.0%} of it", justify="right")
    table.add_row(*(f"{loss:.3f}" for loss in change.losses.values()))
    out.print(table)
    used = f"{change.weight:.0%} of it is used" if change.weight else "none of it is used: the shared one does better"
    out.print(f"your own: trained on {change.trained} pairs; {used}. It stays on this device", highlight=False)


def _device(state_directory: Path) -> InstalledDevice:
    from client.device import DeviceError, InstalledDevice

    if not state_directory.is_dir():
        raise DeviceError(f"there is no device state in {state_directory}")
    return InstalledDevice(pairs_file=Path(), state_directory=state_directory)


def _expected() -> tuple[type[Exception], ...]:
    from client.device import DeviceError
    from client.training import TrainingError
    from shared.adapter_spec import AdapterError
    from shared.chat_format import ChatTemplateError
    from shared.language_model import LanguageModelError
    from shared.preference_files import PreferenceFileError

    return (
        AdapterError, ChatTemplateError, DeviceError, LanguageModelError, OSError, PreferenceFileError, TrainingError,
    )  # fmt: skip


def _explained() -> AbstractContextManager[None]:
    return explained(_expected, err, interrupted="nothing was written")
