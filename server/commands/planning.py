"""`tacit-server plan`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.explained import explained, said
from shared.command_line import settings
from shared.flat_config import ConfigError, to_tables

if TYPE_CHECKING:
    from shared.round_plan import FederationPlan

_DEPLOYED = {"federation.aggregation": "secure", "federation.devices": 20}
_NOTHING = "no privacy: an update can tell something about its device's pairs"
_SUMS_ONLY = (
    "the server learns the sum of a cohort's updates and no single one; without noise (privacy.unit) the sum can still "
    "tell something about each device's pairs"
)


def plan(
    config: Annotated[Path | None, typer.Option(help="A TOML file of the plan's settings.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="One setting: GROUP.KEY=VALUE. May be repeated.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--out", help="Where the run will leave its results: completes the plan for Flower.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is there.")] = False,
    signing_key: Annotated[
        Path | None, typer.Option("--key", help="The server's key (`tacit-server key`), to sign every request with.")
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(help="The organiser's list of devices (`tacit-server organiser roster`), for the masks."),
    ] = None,
) -> None:
    """Check a plan and print it whole, as TOML for `tacit-server train` or `flwr run . --run-config FILE`.

    Aggregation is secure unless the plan says otherwise. What it promises, and its digest, go to standard error.
    """
    import tomli_w

    from shared.run_output import RunOutput

    with explained():
        made = read_plan(config, assignments)
        keys = made.to_run_config()
        if directory is not None:
            keys |= RunOutput(
                directory=str(directory.absolute()),
                resume=resume,
                signing_key=None if signing_key is None else str(signing_key.absolute()),
                roster=None if roster is None else str(roster.absolute()),
            ).to_run_config()
        promises = _promises(made)
        sys.stdout.write(tomli_w.dumps(to_tables(keys)))
        _say(made, promises)


def read_plan(config: Path | None, assignments: list[str] | None) -> FederationPlan:
    """The plan of a file and of settings; what it says of a run's output is not its business.

    Raises:
        ConfigError: it is not right. OSError: the file cannot be read.
    """
    from shared.round_plan import FederationPlan

    return FederationPlan.from_run_config(settings(preset=_DEPLOYED, config=config, flags={}, assignments=assignments))


def say_promises(made: FederationPlan) -> None:
    """Its digest and what it promises, on standard error. Raises: ConfigError: no accountant has a finite figure."""
    _say(made, _promises(made))


def _promises(made: FederationPlan) -> list[str]:
    from shared.plan_guarantees import planned_guarantees

    try:
        promised = planned_guarantees(made)
    except ValueError as error:
        raise ConfigError(f"privacy: {error}") from None
    return [given.sentence() for given in (promised.user, promised.pair) if given is not None]


def _say(made: FederationPlan, promises: list[str]) -> None:
    said(f"plan {made.digest()[:16]}")
    for promise in promises or [_NOTHING if made.secure_aggregation is None else _SUMS_ONLY]:
        said(f"promise: {promise}")
