"""The server as a Flower `ServerApp`: it reads a plan from the run configuration and runs it to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy

from server.enrolment import read_roster
from server.releases import RunDirectory
from server.roster import Numbers
from server.rounds import Observe, run_rounds
from server.secure_sum import Enrolment
from server.strategies.adapter_averaging import AdapterAveraging
from shared.adapter import attach_adapter
from shared.flat_config import Scalar
from shared.language_model import load_language_model
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from shared.server_identity import ServerKey


def build_server_app(
    observe: Observe | None = None,
    *,
    run_config: dict[str, Scalar] | None = None,
    wrap: Callable[[AdapterAveraging], Strategy] | None = None,
    enrolment: Enrolment | None = None,
    numbers: Numbers | None = None,
) -> ServerApp:
    """A ServerApp.

    Args:
        observe: called after each round's release.
        run_config: instead of Flower's, where an engine cannot set that.
        wrap: puts wrappers around the strategy.
        enrolment: instead of the roster that the configuration names, where an engine makes its devices up.
        numbers: of the devices behind nodes, where the server itself enrolled them; see `call_roll`.

    The app raises ConfigError, LanguageModelError, AdapterError, RosterError, EnrolmentError, TooFewRepliesError or
    ReleaseError: each says what to do.
    """
    built = ServerApp()

    @built.main()
    def main(grid: Grid, context: Context) -> None:
        config = context.run_config if run_config is None else run_config
        plan, output = FederationPlan.from_run_config(config), RunOutput.from_run_config(config)
        adapted = attach_adapter(load_language_model(plan.model), plan.adapter)
        key = None if output.signing_key is None else ServerKey.load(Path(output.signing_key))
        directory = RunDirectory(
            Path(output.directory),
            plan=plan,
            spec=adapted.spec,
            signing_key=key,
            kept_releases=output.kept_releases,
        )
        run_rounds(
            plan=plan,
            adapted=adapted,
            grid=grid,
            directory=directory,
            resume=output.resume,
            observe=observe,
            wrap=wrap,
            enrolment=enrolment if output.roster is None else read_roster(Path(output.roster)),
            signing_key=key,
            numbers=numbers,
        )

    return built


app = build_server_app()
