"""`tacit personal`: an adapter of your own on top of the shared one. It never leaves this device."""

from __future__ import annotations

from typing import Annotated

import typer

from client.commands.file_personal import show_change
from client.commands.opening import err, opened, out, told

app = typer.Typer(
    help="An adapter of your own, on top of the shared one. It is trained here, kept here and never sent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def train(
    steps: Annotated[int, typer.Option(help="Gradient steps.", min=1)] = 6,
    step_length: Annotated[float, typer.Option(help="L2 norm of each; above 0.", min=1e-6)] = 0.5,
) -> None:
    """Train on the pairs in your vault, on top of the shared adapter, and choose on some of them how much of it to use.

    `tacit learn` does this, too, after making new pairs. Without a shared adapter (no server was joined) it starts from
    one that changes nothing. Run it again when another shared one has come. Example:

      tacit personal train --steps 10
    """
    from client.commands.learn import learning_of
    from client.personal_training import PersonalTraining

    with told(), opened() as (profile, vault):
        learning = learning_of(profile, vault)
        how = PersonalTraining(steps=steps, step_length=step_length)
        with err.status(f"{steps} steps"):
            count, change = learning.train(how=how)
        if change is None:
            out.print(
                f"{count} pairs are too few to train on and to choose by: at least {how.least_pairs}, better ten. "
                "Nothing has changed",
                highlight=False,
            )
        else:
            show_change(change)


@app.command()
def show() -> None:
    """Say what is kept here: which shared adapter, and how much of your own is used on top of it."""
    from client.assistant.adapters import attach_current
    from client.vault_device import VaultDevice
    from shared.language_model import load_language_model

    with told(), opened() as (profile, vault):
        with err.status("loading the model"):
            base = load_language_model(profile.settings.model)
        current = attach_current(base, profile.settings.model, VaultDevice(profile, vault))
        shared = current.shared
        out.print(
            f"shared adapter: {shared.plan.adapter.method}, rank {shared.plan.adapter.rank}, for "
            f"{shared.plan.model.name}; {shared.origin}"
            if current.is_shared
            else "shared adapter: none yet; it comes with the first round that this device answers (`tacit join`)",
            markup=False,
            highlight=False,
        )
        if current.personal is None:
            out.print("your own: none (`tacit learn`)", highlight=False)
        else:
            show_change(current.personal)


@app.command()
def forget() -> None:
    """Remove every adapter of your own, and the keys of all copies. The shared one stays, and so do your pairs."""
    from client.vault_device import VaultDevice

    with told(), opened() as (profile, vault):
        gone = VaultDevice(profile, vault).forget_personal()
        out.print("your own adapter is gone" if gone else "there was none", highlight=False)
