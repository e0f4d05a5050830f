"""What a run did to its devices' privacy, written before it is done: `ledger.jsonl`, a `shared.privacy.chained_log`.

    {"kind": "begin", "run": ..., "plan": ..., "terms": ..., "numbers": [[first, last], ...]}
    {"kind": "ask", "round": 3, "attempt": 1}      before a cohort is asked
    {"kind": "release", "round": 3, "attempt": 1}  before a round's adapter is released

Every attempt of a round is a release of its own towards whoever sees single messages, whether the round was released or
not. The same round and attempt asked again by a resumed run is the same request, which a device answers with the same
bytes: it stands once. The ledger never shrinks, and a resumed run goes on with it or not at all. It does not say who
was in a Poisson cohort, nor how many.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.privacy import chained_log
from shared.privacy.chained_log import Chain, ChainError
from shared.round_plan import FederationPlan

__all__ = ["LEDGER_FILE", "ChainError", "LedgerState", "RunLedger", "count_charges"]

LEDGER_FILE = "ledger.jsonl"


@dataclass(frozen=True, kw_only=True)
class LedgerState:
    """What a ledger says.

    Attributes:
        plan: digest of its plan.
        run: the run's own random name, which no other run has; a plan's digest where nothing is private.
        spans: (first, last) of each run of neighbours among the numbers of the devices that began it.
        asked: different requests to cohorts, in order: (round, attempt).
        released: rounds whose release was recorded.
    """

    plan: str
    run: str
    spans: tuple[tuple[int, int], ...]
    asked: tuple[tuple[int, int], ...]
    released: tuple[int, ...]

    @property
    def devices(self) -> tuple[int, ...]:
        """Numbers of the devices that began the run, ascending."""
        return tuple(number for first, last in self.spans for number in range(first, last + 1))

    @property
    def device_count(self) -> int:
        """How many they are."""
        return sum(last - first + 1 for first, last in self.spans)


class RunLedger:
    """The ledger in a run's directory."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / LEDGER_FILE

    def state(self) -> LedgerState | None:
        """What stands; None before the run began. Raises: ChainError, OSError."""
        return read_state(self._file)

    def chain(self) -> Chain:
        """The ledger as it stands. Raises: ChainError, OSError."""
        return chained_log.read(self._file)

    def begin(self, plan: FederationPlan, devices: Sequence[int]) -> LedgerState:
        """Records plan and devices; the ledger must be empty. Raises: ChainError, OSError."""
        # Without privacy nothing hangs on the name, and a seeded run is the same whenever it is made.
        run = secrets.token_hex(16) if plan.is_private else plan.digest()[:32]
        begin = {
            "kind": "begin",
            "run": run,
            "plan": plan.digest(),
            "terms": json.dumps(_terms(plan)),
            "numbers": [list(span) for span in _spans(devices)],
        }
        return _state(chained_log.append(self._file, begin), self._file)

    def ask(self, round_number: int, attempt: int) -> int:
        """Records that a cohort is about to be asked; its place among all different requests, from 0.

        Raises:
            ChainError, OSError: it could not be recorded, so it must not be asked.
        """
        asked = _state(self.chain(), self._file).asked
        if (round_number, attempt) in asked:
            return asked.index((round_number, attempt))
        chained_log.append(self._file, {"kind": "ask", "round": round_number, "attempt": attempt})
        return len(asked)

    def release(self, round_number: int, attempt: int) -> Chain:
        """Records that a round is about to be released, once; the ledger after it.

        Raises:
            ChainError, OSError: it could not be recorded, so it must not be released.
        """
        chain = self.chain()
        if round_number in _state(chain, self._file).released:
            return chain
        return chained_log.append(self._file, {"kind": "release", "round": round_number, "attempt": attempt})


def read_state(file: Path) -> LedgerState | None:
    """What a run's ledger says; None of a missing or empty one.

    Raises:
        ChainError: damaged, or not a run's ledger.
        OSError: it cannot be read.
    """
    chain = chained_log.read(file)
    return _state(chain, file) if chain.entries else None


def _state(chain: Chain, file: Path) -> LedgerState:
    entries = chain.entries
    try:
        begin = entries[0]
        if begin["kind"] != "begin" or any(entry["kind"] not in ("ask", "release") for entry in entries[1:]):
            raise ValueError
        asks = [(int(e["round"]), int(e["attempt"])) for e in entries[1:] if e["kind"] == "ask"]  # type: ignore[call-overload]
        releases = [int(e["round"]) for e in entries[1:] if e["kind"] == "release"]  # type: ignore[call-overload]
        spans = [(int(first), int(last)) for first, last in begin["numbers"]]  # type: ignore[attr-defined]
    except (IndexError, KeyError, ValueError, TypeError):
        raise ChainError(f"{file}: is not a run's ledger") from None
    return LedgerState(
        plan=str(begin["plan"]),
        run=str(begin["run"]),
        spans=tuple(spans),
        asked=tuple(dict.fromkeys(asks)),
        released=tuple(dict.fromkeys(releases)),
    )


def read_plan(file: Path) -> FederationPlan:
    """The run's plan, as far as its guarantee depends on it; the rest has its defaults.

    Raises:
        ChainError: the ledger is damaged, empty, or not a run's.
    """
    entries = chained_log.read(file).entries
    try:
        return FederationPlan.from_run_config(json.loads(str(entries[0]["terms"])))
    except (IndexError, KeyError, ValueError):
        raise ChainError(f"{file}: is not a run's ledger") from None


def count_charges(directory: Path) -> int:
    """How many different requests were sent to cohorts. Raises: ChainError, OSError."""
    state = read_state(directory / LEDGER_FILE)
    return 0 if state is None else len(state.asked)


def _terms(plan: FederationPlan) -> dict[str, object]:
    """The part of a plan that a guarantee depends on, so that a ledger can be verified by itself."""
    config = plan.to_run_config()
    wanted = (
        "privacy.", "pair-privacy.", "user-privacy.", "secure-aggregation.", "federation.", "training.local-steps",
        "training.max-pairs",
    )  # fmt: skip
    return {key: value for key, value in config.items() if key.startswith(wanted)}


def _spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs of neighbours: a million devices are one."""
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans
