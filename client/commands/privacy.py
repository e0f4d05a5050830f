"""`tacit policy`, `tacit identity`, `tacit privacy`: what a user allows, who they are, what their device has told."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.command_line import explained, settings

out, err = Console(), Console(stderr=True)

policy_app = typer.Typer(
    help="What may leave this device: write a policy, and ask what it thinks of a plan.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@policy_app.command("init")
def init(path: Annotated[Path, typer.Argument(help="The new file.")]) -> None:
    """Write a policy to start from, with every key explained. It declines until you have read it."""
    from client.policy_template import policy_template

    with explained(lambda: (OSError,), err, interrupted="nothing was written"):
        with path.open("x", encoding="utf-8") as file:
            file.write(policy_template())
        path.chmod(0o600)
        out.print(
            f"{path}: it holds once it says what you want; a profile's lies in TACIT_HOME/policy.toml", highlight=False
        )


@policy_app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="Your policy.")],
    plan: Annotated[Path, typer.Argument(help="A plan, as `tacit-server plan` prints it.")],
) -> None:
    """Say whether your device would answer a plan, and what that would come to at your policy's δ."""
    from client.device import DeclinedError
    from client.plan_checks import check_plan
    from client.privacy_policy import PolicyError, PrivacyPolicy
    from shared.flat_config import ConfigError
    from shared.plan_guarantees import planned_guarantees
    from shared.round_plan import FederationPlan

    with explained(lambda: (ConfigError, OSError, PolicyError, ValueError), err, interrupted="nothing was written"):
        allowed = PrivacyPolicy.load(path)
        proposed = FederationPlan.from_run_config(
            {
                key: value
                for key, value in settings(preset={}, config=plan, flags={}, assignments=None).items()
                if not key.startswith("output.")
            }
        )
        try:
            check_plan(allowed, proposed)
        except DeclinedError as error:
            out.print(f"[bold]declined[/bold]: {error}", highlight=False)
            raise typer.Exit(1) from None
        out.print("[bold]would be answered[/bold], as far as your ledger allows", highlight=False)
        promised = planned_guarantees(replace(proposed, delta=allowed.delta))  # as the device works it out
        for given in (promised.user, promised.pair):
            if given is not None:
                out.print(given.sentence(), markup=False, highlight=False)


def identity(
    state: Annotated[Path | None, typer.Argument(help="A device's state directory; by default your profile's.")] = None,
) -> None:
    """Show this device's public key, for the organiser who enrols it, and make the key if there is none.

    The organiser must have it from you and not from the server: by hand, or by whatever you trust already.
    """
    from client.device import DeviceError, InstalledDevice
    from client.profile import Profile, ProfileError

    with explained(lambda: (DeviceError, OSError, ProfileError), err, interrupted="nothing was written"):
        state = state or Profile.load().state_directory
        device = InstalledDevice(pairs_file=state / "pairs.jsonl", state_directory=state)
        sys.stdout.write(device.identity().public + "\n")


def privacy(
    state: Annotated[Path | None, typer.Argument(help="A device's state directory; by default your profile's.")] = None,
    ledger_directory: Annotated[
        Path | None, typer.Option("--ledger-dir", help="Of the ledger; by default beside the state directory.")
    ] = None,
    delta: Annotated[float, typer.Option(help="At which ε is worked out.", min=1e-15, max=0.5)] = 1e-6,
) -> None:
    """Show what this device has told servers, what that comes to, and what it declined and why."""
    from client.device import default_ledger_directory
    from client.privacy_ledger import LedgerError, PrivacyLedger
    from client.profile import Profile, ProfileError
    from client.spending import spent
    from shared.privacy.guarantee import format_delta, format_epsilon

    with explained(lambda: (LedgerError, OSError, ProfileError, ValueError), err, interrupted="nothing was written"):
        if state is None:
            profile = Profile.load()
            state = profile.state_directory
            if not profile.ledger_directory.is_dir():
                out.print("nothing was told to any server yet", highlight=False)
                return
        ledger = PrivacyLedger(directory=ledger_directory or default_ledger_directory(state), anchor_directory=state)
        if not state.is_dir():
            raise LedgerError(f"{state} is no device's state directory")
        charges = ledger.charges()
        table = Table(title=f"{len(charges)} answers charged", title_justify="left")
        for name in ("run", "rounds", "protects", "answered"):
            table.add_column(name)
        for run in dict.fromkeys(charge.run for charge in charges):
            of_run = [charge for charge in charges if charge.run == run]
            unit = {"none": "nothing", "both": "user and pair"}
            protects = of_run[0].plan.privacy_unit
            table.add_row(
                run[:8],
                ", ".join(str(charge.round_number) for charge in of_run),
                unit.get(protects, protects),
                f"{sum(charge.reply is not None for charge in of_run)} of {len(of_run)}",
            )
        out.print(table)
        total = spent(charges, delta=delta)
        at = f"at δ = {format_delta(delta)}, everything that was answered together"
        for unit_name, epsilon, without in (
            ("user", total.user, total.unprotected_users),
            ("pair", total.pair, total.unprotected_pairs),
        ):
            line = f"per {unit_name}: ε = {format_epsilon(epsilon)} {at}"
            if without:
                line += f"; besides, {without} answers protected no {unit_name}, and for those there is no ε"
            out.print(line, highlight=False)
        for run, number, reason in ledger.refusals():
            out.print(f"declined, run {run[:8]}, round {number}: {reason}", markup=False, highlight=False)
