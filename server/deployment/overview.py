"""How a server is doing, in numbers about all its devices together: for a person, a script, and Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.running import Running, read_running
from server.deployment.runs import RunState, ServerRun, runs_of
from server.ledger import LEDGER_FILE, ChainError, read_state
from server.releases import ReleaseError, read_rounds
from shared.plan_guarantees import PlanGuarantees, plan_guarantees, planned_guarantees
from shared.privacy.guarantee import Guarantee, format_epsilon
from shared.round_plan import FederationPlan


@dataclass(frozen=True, kw_only=True)
class DeviceCounts:
    """Attributes:
    enrolled: that are not revoked.
    revoked: once enrolled.
    online: connected now; None where SuperLink does not answer.
    """

    enrolled: int
    revoked: int
    online: int | None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one unit has lost at most, so far and at the end of the plan, each ε against two observers, as text.

    Attributes:
        unit: "user" or "pair".
        server_so_far, server_planned: against the server and everyone (but it, where it is trusted).
        models_so_far, models_planned: against whoever sees released models only.
        delta: δ of all of them.
    """

    unit: str
    server_so_far: str
    models_so_far: str
    server_planned: str
    models_planned: str
    delta: float


@dataclass(frozen=True, kw_only=True)
class RunOverview:
    """Attributes:
    state: see `RunState`.
    said: why it failed.
    starts: how often it was handed to SuperLink.
    released, rounds: of the plan's rounds.
    cohort, replies: of the last released round.
    failures: devices that were asked and left out, in all rounds; by what they were left out for.
    seconds: wall time of all released rounds.
    asked: requests to cohorts, released or not.
    budgets: one a unit; empty where nothing is promised.
    """

    name: str
    state: RunState
    said: str
    starts: int
    released: int
    rounds: int
    cohort: int
    replies: int
    failures: dict[str, int]
    seconds: float
    asked: int
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, kw_only=True)
class UnreadableRun:
    """A run with a damaged file: no figure of it can be told.

    Attributes:
        said: which file, and what is wrong with it.
    """

    name: str
    said: str


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Attributes:
    up: whether the server runs.
    superlink: whether SuperLink answers.
    runs: those that can be read.
    """

    up: bool
    superlink: bool
    devices: DeviceCounts
    runs: tuple[RunOverview, ...]
    unreadable: tuple[UnreadableRun, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    def prometheus(self) -> str:
        """Prometheus' text format."""
        return "".join(f"{line}\n" for line in _exposition(self))


def look_at(directory: ServerDirectory) -> Overview:
    """The server as it is now. Raises: DeploymentError: the list of its devices is damaged."""
    running = read_running(directory)
    online = None if running is None else _online(directory, running)
    devices = DeviceBook(directory.devices).every()
    revoked = sum(one.revoked is not None for one in devices)
    seen: list[RunOverview] = []
    unreadable: list[UnreadableRun] = []
    for run in runs_of(directory):
        try:
            seen.append(look_at_run(run))
        except DeploymentError as error:
            unreadable.append(UnreadableRun(name=run.name, said=str(error)))
    return Overview(
        up=running is not None,
        superlink=online is not None,
        devices=DeviceCounts(enrolled=len(devices) - revoked, revoked=revoked, online=online),
        runs=tuple(seen),
        unreadable=tuple(unreadable),
    )


def look_at_run(run: ServerRun) -> RunOverview:
    """One run as it is now. Raises: DeploymentError: a file of its is damaged."""
    control, plan = run.control(), run.plan()
    if control is None:
        raise DeploymentError(f"there is no run {run.name}")
    try:
        records = read_rounds(run.path)
        ledger = read_state(run.path / LEDGER_FILE)
    except (ReleaseError, ChainError, OSError) as error:
        raise DeploymentError(str(error)) from None
    failures: dict[str, int] = {}
    for failure in (failure for record in records for failure in record.failures):
        reason = failure.reason.split(":", 1)[0]
        failures[reason] = failures.get(reason, 0) + 1
    last = records[-1] if records else None
    return RunOverview(
        name=run.name,
        state=control.state,
        said=control.said,
        starts=control.starts,
        released=0 if last is None else last.round_number,
        rounds=plan.rounds,
        cohort=0 if last is None else last.cohort,
        replies=0 if last is None else last.replies,
        failures=failures,
        seconds=sum(record.seconds for record in records),
        asked=0 if ledger is None else len(ledger.asked),
        budgets=_budgets(
            plan,
            devices=plan.devices if ledger is None else ledger.device_count,
            requests=0 if ledger is None else len(ledger.asked),
            releases=0 if ledger is None else len(ledger.released),
        ),
    )


def _online(directory: ServerDirectory, running: Running) -> int | None:
    from server.deployment.superlink import connected

    try:
        with connected(directory, running) as control:
            return sum(node.state == "online" for node in control.nodes())
    except DeploymentError:
        return None


@lru_cache(maxsize=256)  # an accountant may need a second, and is asked again and again for one state
def _budgets(plan: FederationPlan, *, devices: int, requests: int, releases: int) -> tuple[Budget, ...]:
    planned = _stated(lambda: planned_guarantees(plan))
    if planned is None:
        return ()
    spent = (
        None
        if not requests
        else _stated(lambda: plan_guarantees(plan, devices=devices, requests=requests, releases=releases))
    )
    found: list[Budget] = []
    for unit in ("user", "pair"):
        whole: Guarantee | None = getattr(planned, unit)
        now: Guarantee | None = None if spent is None else getattr(spent, unit)
        if whole is not None:
            found.append(
                Budget(
                    unit=unit,
                    server_so_far=_figure(None if now is None else now.epsilon_server, requests),
                    models_so_far=_figure(None if now is None else now.epsilon_model_observer, requests),
                    server_planned=format_epsilon(whole.epsilon_server),
                    models_planned=format_epsilon(whole.epsilon_model_observer),
                    delta=whole.delta,
                )
            )
    return tuple(found)


def _figure(epsilon: float | None, requests: int) -> str:
    """Nothing is spent before anybody was asked; what no accountant returned is not finite."""
    return format_epsilon(0.0 if not requests else float("inf") if epsilon is None else epsilon)


def _exposition(overview: Overview) -> Iterator[str]:
    counts = overview.devices
    yield from _metric("up", "Whether SuperLink answers.", [({}, int(overview.superlink))])
    yield from _metric("devices_enrolled", "Devices that may connect.", [({}, counts.enrolled)])
    yield from _metric("devices_revoked", "Devices that may no longer connect.", [({}, counts.revoked)])
    if counts.online is not None:
        yield from _metric("devices_online", "Devices that are connected.", [({}, counts.online)])
    runs = [({"run": run.name}, run) for run in overview.runs]
    states = [(run.name, str(run.state)) for run in overview.runs]
    states += [(run.name, "unreadable") for run in overview.unreadable]
    yield from _metric(
        "run_state", "1 for the state that a run is in.", [({"run": name, "state": state}, 1) for name, state in states]
    )
    for name, said, field in (
        ("run_rounds_planned", "Rounds of the plan.", "rounds"),
        ("run_rounds_released", "Rounds released.", "released"),
        ("run_cohort_size", "Devices asked in the last round.", "cohort"),
        ("run_replies", "Usable replies of the last round.", "replies"),
        ("run_requests", "Requests to cohorts, released or not.", "asked"),
        ("run_starts", "How often the run was handed to SuperLink.", "starts"),
        ("run_round_seconds_sum", "Wall time of all released rounds.", "seconds"),
    ):
        yield from _metric(name, said, [(of, getattr(run, field)) for of, run in runs])
    yield from _metric(
        "run_devices_left_out", "Devices asked and left out, by reason.",
        [({**of, "reason": reason}, count) for of, run in runs for reason, count in sorted(run.failures.items())],
    )  # fmt: skip
    for name, said, when in (
        ("run_epsilon", "Privacy loss so far, rounded up.", "so_far"),
        ("run_epsilon_planned", "Privacy loss at the end of the plan, rounded up.", "planned"),
    ):
        figures = [
            ({**of, "unit": one.unit, "observer": observer}, _number(getattr(one, f"{field}_{when}")))
            for of, run in runs
            for one in run.budgets
            for observer, field in (("server", "server"), ("model", "models"))
        ]
        yield from _metric(name, said, figures)


def _metric(name: str, said: str, samples: Sequence[tuple[dict[str, str], float | str]]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP tacit_{name} {said}"
    yield f"# TYPE tacit_{name} gauge"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"tacit_{name}{{{inside}}} {value}" if inside else f"tacit_{name} {value}"


def _number(figure: str) -> str:
    return "+Inf" if figure == "∞" else figure


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _stated(state: Callable[[], PlanGuarantees]) -> PlanGuarantees | None:
    """The statement, or None where an accountant has no finite figure."""
    try:
        return state()
    except ValueError:
        return None
