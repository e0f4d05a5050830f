"""The runs of a server: what an operator wants of each, and where it stands. `runs/NAME/control.json` and `run.toml`.

Commands write down what is wanted; the executor alone starts and ends runs at SuperLink. So a run that was lost with a
process is simply one that is wanted and does not run, whoever died, and is started again from its last release.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import tomli_w
from filelock import FileLock

from server.deployment.directory import DeploymentError, ServerDirectory
from server.releases import CHECKPOINT_FILE, read_rounds
from shared.command_line import read_toml
from shared.flat_config import ConfigError, Scalar, to_tables
from shared.private_files import write_private
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput

RunState = Literal["wanted", "running", "finished", "failed", "stopped"]
"""`wanted` is not started yet, `running` was handed to SuperLink; the others have ended."""

_CONTROL, _CONFIG = "control.json", "run.toml"


@dataclass(frozen=True, kw_only=True)
class RunControl:
    """Attributes:
    state: where the run stands.
    starts: how often it was handed to SuperLink.
    flower_run: SuperLink's id of the last of them.
    said: why it failed.
    released: rounds that stood when it was last started again.
    fruitless: how often in a row it was started again without a round's release in between.
    """

    state: RunState
    starts: int = 0
    flower_run: int | None = None
    said: str = ""
    released: int = 0
    fruitless: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen unless somebody asks."""
        return self.state in ("finished", "failed", "stopped")


class ServerRun:
    """One run's files."""

    def __init__(self, directory: ServerDirectory, name: str) -> None:
        """Raises: DeploymentError: not a run's name."""
        self.name = name
        self.path = directory.run(name)
        self._server = directory

    def control(self) -> RunControl | None:
        """Where it stands; None if there is no such run. Raises: DeploymentError: the file is damaged."""
        file = self.path / _CONTROL
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            if said["state"] not in get_args(RunState):
                raise ValueError
            return RunControl(**said)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise DeploymentError(f"{file} is damaged: remove it, and resume the run") from None

    def change(self, **changes: object) -> RunControl:
        """Changes what is written of it, whole or not at all. Raises: DeploymentError, OSError."""
        with FileLock(self.path / ".control.lock", mode=0o600):
            changed = replace(self.control() or RunControl(state="wanted"), **changes)  # type: ignore[arg-type]
            self._write(changed)
        return changed

    def settle(self, state: RunState, said: str = "") -> None:
        """Writes down how it ended, unless an operator has ended it meanwhile. Raises: DeploymentError, OSError."""
        with FileLock(self.path / ".control.lock", mode=0o600):
            now = self.control()
            if now is not None and not now.is_over:
                self._write(replace(now, state=state, said=said))

    def hand_over(self, flower_run: int) -> bool:
        """Writes down that SuperLink has it, under an id; False where it is no longer wanted: end it there.

        Raises:
            DeploymentError, OSError: it cannot be written.
        """
        with FileLock(self.path / ".control.lock", mode=0o600):
            now = self.control()
            if now is None or now.state != "wanted":
                return False
            self._write(replace(now, state="running", flower_run=flower_run, starts=now.starts + 1))
        return True

    def lose(self, most: int) -> bool:
        """Asks for a running run again that was lost with a process; not where that led nowhere `most` times in a row.

        Raises:
            DeploymentError, ReleaseError: a file of its is damaged; OSError.
        """
        released = len(read_rounds(self.path))
        with FileLock(self.path / ".control.lock", mode=0o600):
            now = self.control()
            if now is None or now.state != "running":
                return False
            fruitless = 0 if released > now.released else now.fruitless + 1
            if fruitless > most:
                said = f"it was lost {fruitless} times without a release in between: see logs, then resume"
                self._write(replace(now, state="failed", said=said))
                return False
            self._write(replace(now, state="wanted", released=released, fruitless=fruitless))
        return True

    def want(self, plan: FederationPlan, *, resume: bool) -> None:
        """Asks for it to be run.

        Raises:
            DeploymentError: it is there and is not to be resumed, or runs already, or there is nothing to resume, or
                masks are asked for and no roster is here.
            OSError: it cannot be written.
        """
        now = self.control()
        if now is not None and not now.is_over:
            raise DeploymentError(f"the run {self.name} is under way already: follow it with `tacit-server status`")
        if now is not None and not resume:
            raise DeploymentError(
                f"there is a run {self.name} already: resume it with --resume, or give another --name"
            )
        if now is None and resume:
            raise DeploymentError(f"there is no run {self.name} to resume")
        if self._server.settings().is_link:
            raise DeploymentError("this server is a link (server.is-link): start runs at the one that names it")
        roster = self._server.roster
        if plan.secure_aggregation is not None and not roster.exists():
            raise DeploymentError(
                f"the plan asks for secure aggregation, and {roster} is not here: bring the organiser's list of "
                'devices (`tacit-server organiser roster`), or plan federation.aggregation = "plain"'
            )
        output = RunOutput(
            directory=str(self.path),
            resume=resume,
            signing_key=str(self._server.signing_key),
            roster=str(roster) if roster.exists() else None,
        )
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = plan.to_run_config() | output.to_run_config()
        write_private(self.path / _CONFIG, [tomli_w.dumps(to_tables(config)).encode()])
        self.change(state="wanted", said="", fruitless=0)

    def plan(self) -> FederationPlan:
        """What is run. Raises: DeploymentError: `run.toml` is missing or not of this version."""
        try:
            return FederationPlan.from_run_config(self._config())
        except ConfigError as error:
            raise DeploymentError(f"{self.path / _CONFIG}: {error}") from None

    def configuration(self, *, again: bool) -> Mapping[str, Scalar]:
        """The run's configuration, for the ServerApp; it resumes what is there where that is asked for, or `again`.

        Raises:
            DeploymentError: `run.toml` is missing or not of this version.
        """
        config = self._config()
        resume = bool(config.get("output.resume")) or (again and (self.path / CHECKPOINT_FILE).exists())
        config["output.resume"] = resume
        return config  # type: ignore[return-value]  # TOML of scalars, and parsed strictly by who reads it

    def _write(self, control: RunControl) -> None:
        write_private(self.path / _CONTROL, [json.dumps(asdict(control)).encode()])

    def _config(self) -> dict[str, object]:
        try:
            return read_toml(self.path / _CONFIG)
        except (OSError, ConfigError) as error:
            raise DeploymentError(f"{self.path / _CONFIG} cannot be read ({type(error).__name__})") from None


def runs_of(directory: ServerDirectory) -> tuple[ServerRun, ...]:
    """All runs that were ever asked for, the newest last."""
    try:
        found = [place for place in directory.runs.iterdir() if (place / _CONTROL).exists()]
    except FileNotFoundError:
        return ()
    runs: list[ServerRun] = []
    for place in sorted(found, key=_asked):
        with suppress(DeploymentError):  # a copy that somebody made, say, under a name that no run can have
            runs.append(ServerRun(directory, place.name))
    return tuple(runs)


def _asked(place: Path) -> tuple[float, str]:
    return (place / _CONFIG).stat().st_mtime if (place / _CONFIG).exists() else 0.0, place.name
