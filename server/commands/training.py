"""`tacit-server train` and `stop`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.explained import ServerOption, err, explained, said

if TYPE_CHECKING:
    from server.deployment.overview import RunOverview
    from server.deployment.runs import ServerRun

_LOOK_SECONDS = 1.0


def train(
    plan: Annotated[Path | None, typer.Option(help="The plan: a TOML file, as `tacit-server plan` prints one.")] = None,
    name: Annotated[str, typer.Option(help="The run's: its directory is runs/NAME of the server's.")] = "main",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of this name.")] = False,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="One setting: GROUP.KEY=VALUE. May be repeated.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Whether this shows the rounds until the run ends.")] = True,
    server: ServerOption = Path(),
) -> None:
    """Run a plan on the server that is up, and show its rounds. Ctrl-C ends the showing and not the run.

    Example:

      tacit-server train --plan plan.toml --name first
    """
    from server.commands.planning import read_plan, say_promises
    from server.deployment.directory import DeploymentError, ServerDirectory
    from server.deployment.running import read_running
    from server.deployment.runs import ServerRun

    with explained("the run goes on: `tacit-server status` shows it, `tacit-server stop` ends it"):
        directory = ServerDirectory(server)
        directory.settings()
        run = ServerRun(directory, name)
        if plan is None and not resume:
            raise DeploymentError("name a plan with --plan, or resume a run with --resume")
        made = run.plan() if plan is None and not assignments else read_plan(plan, assignments)
        say_promises(made)
        run.want(made, resume=resume)
        if read_running(directory) is None:
            said("the server is not up: the run begins when it is (`tacit-server up`)")
            return
        said(f"the run {name} is asked for; {made.rounds} rounds")
        if follow:
            _follow(run)


def stop(
    name: Annotated[str, typer.Argument(help="The run's name.")] = "main",
    server: ServerOption = Path(),
) -> None:
    """End a run. What it has released stands, and it can be resumed."""
    from server.deployment.directory import DeploymentError, ServerDirectory
    from server.deployment.running import read_running
    from server.deployment.runs import ServerRun
    from server.deployment.superlink import connected

    with explained():
        directory = ServerDirectory(server)
        directory.settings()
        run = ServerRun(directory, name)
        before = run.control()
        if before is None:
            raise DeploymentError(f"there is no run {name}")
        run.settle("stopped")
        now = run.control() or before  # again: the executor may have handed it over in between
        running = read_running(directory)
        if running is not None and now.flower_run is not None:
            with connected(directory, running) as control:
                control.stop_run(now.flower_run)
        said(f"the run {name} is {'over' if before.is_over or now.state != 'stopped' else 'stopped'}")


def _follow(run: ServerRun) -> None:
    from server.deployment.directory import DeploymentError
    from server.deployment.overview import look_at_run

    seen, waiting = -1, err.status("waiting for devices; Ctrl-C ends the showing, not the run")
    with waiting:
        while True:
            now = look_at_run(run)
            if now.released > seen:
                seen = now.released
                if seen:
                    said(_line(now))
            if now.state == "failed":
                raise DeploymentError(f"the run {run.name} failed: {now.said}")
            if now.state in ("finished", "stopped"):
                said(f"the run {run.name} is {now.state}; see {run.path}")
                return
            waiting.update(f"round {now.released + 1} of {now.rounds}; Ctrl-C ends the showing, not the run")
            time.sleep(_LOOK_SECONDS)


def _line(now: RunOverview) -> str:
    spent = "; ".join(
        f"{one.unit}: ε = {one.server_so_far} (server), {one.models_so_far} (models) so far" for one in now.budgets
    )
    left_out = sum(now.failures.values())
    return (
        f"round {now.released} of {now.rounds}: {now.replies} of {now.cohort} replied; {left_out} left out so far; "
        f"{spent or 'no privacy is promised'}"
    )
