"""`tacit-server status`: of a server, or of one run."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from server.commands.explained import explained, out

if TYPE_CHECKING:
    from rich.console import RenderableType

    from server.deployment.overview import Overview

_LOOK_SECONDS = 2.0


def status(
    directory: Annotated[
        Path, typer.Argument(help="The server's directory, or one run's.", envvar="TACIT_SERVER")
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; of a run, one a round.")] = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="In Prometheus' text format.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
) -> None:
    """Show devices, rounds, cohorts, budget and failures of a server, in numbers about all its devices together.

    Of a run's directory: the rounds that it has released, who answered, who failed, how long it took.
    """
    from server.deployment.directory import ServerDirectory
    from server.deployment.overview import look_at
    from server.releases import ReleaseError

    with explained("stopped watching"):
        if not directory.is_dir():
            raise ReleaseError(f"there is no directory {directory}")
        server = ServerDirectory(directory)
        if not server.settings_file.exists():
            _run_status(directory, as_json=as_json)
            return
        if prometheus:
            sys.stdout.write(look_at(server).prometheus())
        elif as_json:
            sys.stdout.write(json.dumps(look_at(server).as_json()) + "\n")
        elif watch:
            with Live(_shown(look_at(server)), console=out, auto_refresh=False) as live:
                while True:
                    time.sleep(_LOOK_SECONDS)
                    live.update(_shown(look_at(server)), refresh=True)
        else:
            out.print(_shown(look_at(server)))


def _shown(overview: Overview) -> RenderableType:
    counts = overview.devices
    online = "?" if counts.online is None else str(counts.online)
    state = "up" if overview.superlink else "starting" if overview.up else "not up"
    lines: list[RenderableType] = [
        Text(f"server {state}; devices: {online} online, {counts.enrolled} enrolled, {counts.revoked} revoked")
    ]
    table = Table(title="runs", title_justify="left")
    for name in ("run", "state", "rounds", "asked", "replies", "left out", "seconds", "starts"):
        table.add_column(name, justify="left" if name in ("run", "state") else "right")
    for run in overview.runs:
        table.add_row(
            run.name, run.state, f"{run.released}/{run.rounds}", str(run.cohort), str(run.replies),
            ", ".join(f"{count} {reason}" for reason, count in sorted(run.failures.items())) or "0",
            f"{run.seconds:.1f}", str(run.starts),
        )  # fmt: skip
    for broken in overview.unreadable:
        table.add_row(broken.name, "unreadable")
    if table.row_count:
        lines.append(table)
    for run in overview.runs:
        lines += [
            Text(
                f"{run.name}, one {one.unit}: ε = {one.server_so_far} of {one.server_planned} against the server and "
                f"everyone, {one.models_so_far} of {one.models_planned} against who sees models only, δ = {one.delta:g}"
            )
            for one in run.budgets
        ]
        if run.said:
            lines.append(Text(f"{run.name}: {run.said}"))
    lines += [Text(f"{broken.name}: {broken.said}") for broken in overview.unreadable]
    return Group(*lines)


def _run_status(directory: Path, *, as_json: bool) -> None:
    from server.releases import read_rounds

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
