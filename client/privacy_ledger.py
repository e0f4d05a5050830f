"""What this device has told servers, and what that comes to: written before it leaves, never taken back.

Two files in two places. The ledger itself (`shared.privacy.chained_log`) lies in a directory of its own that no backup
should hold; beside the device's other state stands an anchor that says how long the ledger was and how it ended. A
ledger that is shorter than its anchor, or gone, is a device that was set back: it joins nothing, since what it has
answered is no longer known. (Set back together with its anchor, it cannot tell: keep the two apart.)

    {"kind": "device", "name": ...}     once, when the device is new
    {"kind": "charge", "run": ..., "round": 3, "attempt": 1, "request": ..., "plan": ..., "server": ..., "terms": {...}}
    {"kind": "reply", "run": ..., "round": 3, "attempt": 1, "request": ..., "reply": "<SHA-256 of what is sent>"}
    {"kind": "stage", "run": ..., "round": 3, "attempt": 1, "stage": "share", "request": ...}   of secure aggregation

Neither holds content: the ledger survives forgetting.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from shared.flat_config import ConfigError
from shared.messages import TrainRequest
from shared.privacy import chained_log
from shared.privacy.chained_log import Chain, ChainError
from shared.private_files import write_private
from shared.round_plan import FederationPlan
from shared.secagg_messages import StageRequest

LEDGER_FILE, ANCHOR_FILE, REFUSALS_FILE = "ledger.jsonl", "ledger.anchor", "declined.jsonl"
_REFUSALS = 50
_LOCK_SECONDS = 60.0
_OF_A_GUARANTEE = (
    "privacy.", "pair-privacy.", "user-privacy.", "secure-aggregation.", "federation.", "training.local-steps",
)  # fmt: skip


class LedgerError(RuntimeError):
    """The ledger is damaged, gone or set back, or cannot be written: nothing may leave. Says what to do."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """One participation.

    Attributes:
        run, round_number, attempt: of the request.
        request: its digest.
        plan_digest: of the run's plan.
        plan: as far as its guarantee depends on it; the rest has its defaults.
        server: its public key, or "".
        reply: digest of what was sent; None while nothing was.
    """

    run: str
    round_number: int
    attempt: int
    request: str
    plan_digest: str
    plan: FederationPlan
    server: str
    reply: str | None


class PrivacyLedger:
    """The ledger of one device."""

    def __init__(self, *, directory: Path, anchor_directory: Path) -> None:
        """Args:
        directory: of the ledger; made with mode 0700 if this device never had one.
        anchor_directory: the device's other state.
        """
        self._file = directory / LEDGER_FILE
        self._refusals = directory / REFUSALS_FILE
        self._anchor = anchor_directory / ANCHOR_FILE

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes of this device out, from the check of a request to its charge.

        Raises:
            LedgerError: another holds it for a minute, or it cannot be made.
        """
        lock = FileLock(self._file.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=0o600)
        try:
            with _explained():
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock.acquire()
        except Timeout:
            raise LedgerError("another process of this device holds its ledger") from None
        try:
            yield
        finally:
            lock.release()

    def begin(self) -> None:
        """Starts a new device's ledger, if nothing of one is there. Only for a device that has told nobody anything.

        Raises:
            LedgerError: it cannot be made.
        """
        with self.locked():
            if not self._file.exists() and not self._anchor.exists():
                with _explained():
                    self._anchor.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._add({"kind": "device", "name": secrets.token_hex(16)})

    def charges(self) -> tuple[Charge, ...]:
        """Every participation, oldest first.

        Raises:
            LedgerError: see the class.
        """
        return _charges(self._entries(), self._file)

    def _entries(self) -> tuple[dict[str, object], ...]:
        with _explained():
            chain = chained_log.read(self._file)
            self._check_anchor(chain)
        if not chain.entries:
            raise LedgerError(
                f"{self._file} is gone: this device does not know what it has answered. Put the newest one back; "
                "without it this device joins nothing"
            )
        return chain.entries

    def charge(self, request: TrainRequest) -> None:
        """Debits a participation: to be called before anything is trained for it. Raises: LedgerError."""
        config = request.plan.to_run_config()
        terms = {key: value for key, value in config.items() if key.startswith(_OF_A_GUARANTEE)}
        self._add({"kind": "charge", **_name(request), "plan": request.plan.digest(), "server": request.server,
                   "terms": terms})  # fmt: skip

    def record_reply(self, request: TrainRequest, digest: str) -> None:
        """Says what is about to be sent for a charge. Raises: LedgerError."""
        self._add({"kind": "reply", **_name(request), "reply": digest})

    def record_stage(self, request: StageRequest) -> None:
        """Says that a stage of secure aggregation is about to be answered. Raises: LedgerError."""
        place = {"run": request.run, "round": request.round_number, "attempt": request.attempt}
        with self.locked():
            self._add({"kind": "stage", **place, "stage": request.stage, "request": request.digest()})

    def stages(self, request: StageRequest) -> tuple[str, ...]:
        """Stages that were answered in the session of a request. Raises: LedgerError: see `charges`."""
        place = (request.run, request.round_number, request.attempt)
        return tuple(
            str(entry["stage"])
            for entry in self._entries()
            if entry["kind"] == "stage" and (entry["run"], entry["round"], entry["attempt"]) == place
        )

    def note_refusal(self, run: str, round_number: int, reason: str) -> None:
        """Keeps the last reasons for the user's eyes. They are no part of the ledger, and a full disk loses them."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            line = json.dumps({"run": run, "round": round_number, "reason": reason})
            write_private(
                self._refusals, [f"{kept}\n".encode() for kept in [*self._refusal_lines(), line][-_REFUSALS:]]
            )

    def refusals(self) -> tuple[tuple[str, int, str], ...]:
        """(run, round, reason) of the last requests that were declined, oldest first."""
        found = []
        for line in self._refusal_lines():
            with suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                found.append((str(said["run"]), int(said["round"]), str(said["reason"])))
        return tuple(found)

    def _refusal_lines(self) -> list[str]:
        with suppress(OSError, UnicodeDecodeError):
            return self._refusals.read_text(encoding="utf-8").splitlines()
        return []

    def _add(self, entry: Mapping[str, object]) -> None:
        with _explained():
            self._check_anchor(chained_log.read(self._file))
            chain = chained_log.append(self._file, entry)
            # After the ledger: killed in between, the anchor is behind, and a ledger may be ahead of it.
            anchor = {"entries": len(chain.entries), "digest": chain.head}
            write_private(self._anchor, [json.dumps(anchor).encode() + b"\n"])

    def _check_anchor(self, chain: Chain) -> None:
        if not self._anchor.exists():
            return
        try:
            said = json.loads(self._anchor.read_text(encoding="utf-8"))
            entries, digest = int(said["entries"]), str(said["digest"])
        except (ValueError, TypeError, KeyError):
            raise LedgerError(
                f"{self._anchor} is damaged: this device cannot tell whether its ledger is whole"
            ) from None
        if not chain.goes_on_from(entries, digest):
            raise LedgerError(
                f"{self._file} is not the ledger that this device wrote: it is gone or was set back, so what was "
                "answered is not known. Put the newest one back; without it this device joins nothing"
            )


def read_charges(file: Path) -> tuple[Charge, ...]:
    """The participations in a ledger file, without its anchor. Raises: LedgerError."""
    with _explained():
        return _charges(chained_log.read(file).entries, file)


def _charges(entries: tuple[dict[str, object], ...], file: Path) -> tuple[Charge, ...]:
    charges: dict[tuple[object, ...], Charge] = {}
    for entry in entries:
        try:
            if entry["kind"] == "device":
                continue
            place = (entry["run"], entry["round"], entry["attempt"])
            if entry["kind"] == "charge" and place not in charges:
                terms = entry["terms"]
                charges[place] = Charge(
                    run=str(entry["run"]),
                    round_number=int(entry["round"]),  # type: ignore[call-overload]
                    attempt=int(entry["attempt"]),  # type: ignore[call-overload]
                    request=str(entry["request"]),
                    plan_digest=str(entry["plan"]),
                    plan=_plan(json.dumps(terms)),
                    server=str(entry["server"]),
                    reply=None,
                )
            elif entry["kind"] == "stage" and place in charges:
                continue
            elif entry["kind"] == "reply" and charges[place].request == entry["request"]:
                charges[place] = replace(charges[place], reply=str(entry["reply"]))
            else:
                raise ValueError
        except (KeyError, ValueError, TypeError, ConfigError):
            raise LedgerError(f"{file}: holds an entry that this version does not know") from None
    return tuple(charges.values())


@lru_cache(maxsize=64)
def _plan(terms: str) -> FederationPlan:
    """A run's entries all have one plan: parsed once."""
    return FederationPlan.from_run_config(json.loads(terms))


def _name(request: TrainRequest) -> dict[str, object]:
    return {
        "run": request.run,
        "round": request.round_number,
        "attempt": request.attempt,
        "request": request.digest(),
    }


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ChainError as error:
        raise LedgerError(str(error)) from None
    except OSError as error:
        raise LedgerError(f"this device's ledger cannot be kept ({os.strerror(error.errno or 0)})") from None
