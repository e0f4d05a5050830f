"""`tacit-server`: what an operator types.

PyTorch and the rest are imported by the commands that use them, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.release_commands import app as release_app
from shared.command_line import explained, run_script, settings
from shared.flat_config import ConfigError, to_tables

app = typer.Typer(
    help="The server's side of Tacit: plan a federation, and see how it goes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(release_app, name="release")
out, err = Console(), Console(stderr=True)
_DEPLOYED = {"federation.aggregation": "secure", "federation.devices": 20}
_NOTHING = "no privacy: an update can tell something about its device's pairs"
_SUMS_ONLY = (
    "the server learns the sum of a cohort's updates and no single one; without noise (privacy.unit) the sum can still "
    "tell something about each device's pairs"
)


@app.command()
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
        Path | None, typer.Option(help="The organiser's list of devices (`tacit-server roster`), for the masks.")
    ] = None,
) -> None:
    """Check a plan and print it whole, as TOML for `flwr run . --run-config FILE`.

    Aggregation is secure unless the plan says otherwise. What it promises, and its digest, go to standard error.
    """
    import tomli_w

    from shared.plan_guarantees import planned_guarantees
    from shared.round_plan import FederationPlan, RunOutput

    with _explained():
        made = FederationPlan.from_run_config(
            settings(preset=_DEPLOYED, config=config, flags={}, assignments=assignments)
        )
        try:
            promised = planned_guarantees(made)
        except ValueError as error:
            raise ConfigError(f"privacy: {error}") from None
        promises = [given.sentence() for given in (promised.user, promised.pair) if given is not None]
        keys = made.to_run_config()
        if directory is not None:
            keys |= RunOutput(
                directory=str(directory.absolute()),
                resume=resume,
                signing_key=None if signing_key is None else str(signing_key.absolute()),
                roster=None if roster is None else str(roster.absolute()),
            ).to_run_config()
        sys.stdout.write(tomli_w.dumps(to_tables(keys)))
        err.print(f"plan {made.digest()[:16]}", markup=False, highlight=False)
        for promise in promises or [_NOTHING if made.secure_aggregation is None else _SUMS_ONLY]:
            err.print(f"promise: {promise}", markup=False, highlight=False)


@app.command()
def key(path: Annotated[Path, typer.Argument(help="The server's key; made with mode 0600 if it is missing.")]) -> None:
    """Show the public key that devices name in their policy, and make the key if there is none.

    A run signs its requests with it where `output.signing-key` names the file.
    """
    from shared.server_identity import ServerKey
    from shared.signing_key import SigningKeyError

    with explained(lambda: (OSError, SigningKeyError), err, interrupted="nothing was written"):
        if not path.exists():
            ServerKey.generate().save(path)
        sys.stdout.write(ServerKey.load(path).public + "\n")


@app.command()
def roster(
    devices: Annotated[Path, typer.Argument(help="A text file: a device's number and its `tacit identity` a line.")],
    key: Annotated[Path, typer.Option("--key", help="The organiser's key (`tacit-server key`), on this machine only.")],
    federation: Annotated[str, typer.Option(help="The federation's name, the same in every version.")],
    version: Annotated[int, typer.Option(min=1, help="One more than the last roster's.")],
    out_file: Annotated[Path, typer.Option("--out", help="The roster, for the server: output.roster.")],
) -> None:
    """Enrol devices: sign the list of who may be in a cohort of secure aggregation.

    Run it on the organiser's machine, which is not the server's: who has both can make up devices and unmask others.
    A device refuses a roster below the highest version that it has seen, so that who has left stays away.
    """
    from server.enrolment import read_device_list
    from server.whole_files import write_whole
    from shared.secagg.enrolment import EnrolmentError, enrol
    from shared.signing_key import SigningKey, SigningKeyError

    with explained(lambda: (OSError, SigningKeyError, EnrolmentError), err, interrupted="nothing was written"):
        signed = enrol(SigningKey.load(key), read_device_list(devices), federation=federation, version=version)
        write_whole(out_file, signed.to_json().encode())
        err.print(
            f"{len(signed.entries)} devices enrolled, version {version}, by organiser {signed.name.organiser}",
            markup=False, highlight=False,
        )  # fmt: skip


@app.command()
def status(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a round.")] = False,
) -> None:
    """Show the rounds that a run has released: who answered, who failed, how long it took."""
    from server.releases import ReleaseError, read_rounds

    with _explained():
        if not directory.is_dir():
            raise ReleaseError(f"there is no directory {directory}")
        records = read_rounds(directory)
        if as_json:
            for record in records:
                sys.stdout.write(json.dumps(asdict(record)) + "\n")
            return
        if not records:
            out.print("no round has been released yet")
            return
        table = Table(title=f"{len(records)} of {records[-1].rounds} rounds released", title_justify="left")
        for name in ("round", "asked", "replies", "no pairs", "failed", "seconds", "kB up", "step norm", "loss"):
            table.add_column(name, justify="right")
        for record in records:
            table.add_row(
                str(record.round_number),
                str(record.cohort),
                str(record.replies),
                str(record.no_pairs),
                str(len(record.failures)),
                f"{record.seconds:.1f}",
                f"{record.bytes_up / 1000:.0f}",
                f"{record.step_norm:.3f}",
                "" if record.metrics is None else f"{record.metrics.loss:.3f}",
            )
        out.print(table)
        for failure in (failure for record in records for failure in record.failures):
            out.print(f"node {failure.node} (device {failure.device}): {failure.reason}", markup=False, highlight=False)


def _expected() -> tuple[type[Exception], ...]:
    from server.releases import ReleaseError

    return (ConfigError, OSError, ReleaseError)


def _explained() -> AbstractContextManager[None]:
    return explained(_expected, err, interrupted="nothing was changed")


def main() -> None:
    """The console script."""
    run_script(app, err)
