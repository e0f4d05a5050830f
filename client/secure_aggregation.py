"""This device's part in secure aggregation: sessions that last from training to the last share, in encrypted files.

A session is on disk before anything of it is sent, and so is every answer: asked again with the same words a device
says the same bytes, and asked with other words it says nothing, also after a restart. The device's ledger knows what
was answered: a session that was set back by itself is one that vanished, and with its ledger the ledger's anchor tells.
When the last share is out, the file holds no secret any more.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from client.device import DeclinedError
from client.privacy_ledger import LedgerError, PrivacyLedger
from client.seal import Seal
from shared.messages import TrainRequest
from shared.plan_sessions import session_of
from shared.privacy.noise import AesCtrNoise
from shared.private_files import write_private
from shared.secagg.device_session import DeviceSecrets, DeviceSession, SessionRefusedError
from shared.secagg.modulus import pack, unpack
from shared.secagg.session_terms import Member, SessionTerms
from shared.secagg_messages import StageRequest
from shared.signing_key import SigningKey

_LOCK_SECONDS = 60.0
_KEPT_SECONDS = 7 * 24 * 3600.0  # of sessions that never ended


@dataclass(kw_only=True, repr=False)
class _Kept:
    """A session's file.

    Attributes:
        vector: what is to be masked, packed; empty once it was.
        answered: digest of the request and the answer, by stage.
    """

    terms: SessionTerms
    number: int
    secrets: DeviceSecrets
    vector: bytes
    answered: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        head = {
            "terms": self.terms.to_json(),
            "number": self.number,
            "secrets": _text(self.secrets.to_bytes()),
            "answered": {stage: [digest, _text(said)] for stage, (digest, said) in self.answered.items()},
        }
        return json.dumps(head).encode() + b"\n" + self.vector

    @classmethod
    def from_bytes(cls, content: bytes) -> _Kept:
        """Raises: ValueError, KeyError, TypeError: not what `to_bytes` made."""
        head, _, vector = content.partition(b"\n")
        said = json.loads(head)
        terms = said["terms"]
        members = tuple(Member(**member) for member in terms.pop("members"))
        return cls(
            terms=SessionTerms(**terms, members=members),
            number=said["number"],
            secrets=DeviceSecrets.from_bytes(base64.b64decode(said["secrets"])),
            vector=vector,
            answered={stage: (digest, base64.b64decode(body)) for stage, (digest, body) in said["answered"].items()},
        )


class SecureSessions:
    """The sessions of one device."""

    def __init__(
        self,
        directory: Path,
        *,
        device_key: bytes,
        identity: SigningKey,
        ledger: PrivacyLedger | None = None,
        lasting: bool = True,
    ) -> None:
        """Args:
        directory: made with mode 0700 when it is needed.
        device_key: the device's 32 secret bytes; the files' key is derived from it.
        identity: the device's long-term key.
        ledger: of the device, which a simulated one has none of.
        lasting: whether files outlive a loss of power, and answers their session; a simulation's need not.
        """
        self._directory = directory
        self._identity = identity
        self._ledger = ledger
        self._lasting = lasting
        self._seal = Seal(device_key, purpose="secure-sessions")

    def enter(self, request: TrainRequest, update: NDArray[np.float32]) -> bytes:
        """Encodes an update with its share of the noise, and keeps it until it is masked; the session's public keys.

        Args:
            update: (d,) clipped.

        Raises:
            DeclinedError: the session must not be entered, or cannot be kept.
        """
        return self._guarded(lambda: self._enter(request, update))

    def answer(self, request: StageRequest) -> bytes:
        """What this device says at a stage.

        Raises:
            DeclinedError: nothing.
        """
        return self._guarded(lambda: self._answer(request))

    def is_open(self, *, within: float) -> bool:
        """Whether a session that said something in the last so many seconds has not said its last."""
        try:
            for file in self._directory.glob("*.session"):
                if time.time() - file.stat().st_mtime < within and "reveal" not in self._read(file).answered:
                    return True
        except (OSError, SessionRefusedError):  # ended this moment, or never to be answered
            return False
        return False

    def _enter(self, request: TrainRequest, update: NDArray[np.float32]) -> bytes:
        terms, encoding = session_of(request, dimension=update.size)
        file = self._file(request.run, request.round_number, request.attempt)
        if file.exists():
            kept = self._read(file)
            if kept.terms == terms:  # two processes trained for one request: what the first has kept, both say
                return self._session(kept).advertise()
        encoded = encoding.encode(update, AesCtrNoise(secrets.token_bytes(32)))
        session, keys = DeviceSession.begin(
            terms, number=request.device, identity=self._identity.key, entropy=secrets.token_bytes
        )
        self._write(
            file,
            _Kept(terms=terms, number=request.device, secrets=session.secrets, vector=pack(encoded, terms.bits)),
        )
        self._end_before(request)
        return keys

    def _answer(self, request: StageRequest) -> bytes:
        file = self._file(request.run, request.round_number, request.attempt)
        kept = self._read(file)
        if request.device != kept.number:
            raise SessionRefusedError("another device was asked")
        digest = request.digest()
        recorded = self._ledger is not None and request.stage in self._ledger.stages(request)
        if request.stage in kept.answered:
            before, said = kept.answered[request.stage]
            if before != digest:
                raise SessionRefusedError("this stage was asked before with other words")
            if not recorded:  # killed between the two
                self._record(request)
            return said
        if recorded:
            raise SessionRefusedError("this stage was answered, and the session was set back since")
        session = self._session(kept)
        if request.stage == "share":
            said = session.share(request.body, entropy=secrets.token_bytes)
        elif request.stage == "mask":
            terms = kept.terms
            vector = unpack(kept.vector, dimension=terms.dimension, bits=terms.bits)
            said = session.mask(request.body, vector)
            kept.vector = b""  # masked, it may leave; as it was, nobody needs it any more
        elif request.stage == "confirm":
            said = session.confirm(request.body)
        else:
            said = session.reveal(request.body)
        kept.secrets = session.secrets
        kept.answered[request.stage] = (digest, said)
        if request.stage == "reveal" and not self._lasting:
            file.unlink()
        else:
            self._write(file, kept)
        self._record(request)
        return said

    def _session(self, kept: _Kept) -> DeviceSession:
        return DeviceSession(kept.terms, number=kept.number, identity=self._identity.key, secrets=kept.secrets)

    def _record(self, request: StageRequest) -> None:
        """In the ledger, before the answer is sent."""
        if self._ledger is not None:
            self._ledger.record_stage(request)

    def _guarded(self, work: Callable[[], bytes]) -> bytes:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self._directory / "sessions.lock", timeout=_LOCK_SECONDS, mode=0o600):
                self._tidy()
                return work()
        except LedgerError as error:
            raise DeclinedError(str(error)) from None
        except Timeout:
            raise DeclinedError("another process of this device is at its sessions") from None
        except (SessionRefusedError, ValueError) as error:
            raise DeclinedError(f"secure aggregation: {error}") from None
        except OSError as error:
            raise DeclinedError(f"a session cannot be kept ({type(error).__name__})") from None

    def _file(self, run: str, round_number: int, attempt: int) -> Path:
        return self._directory / f"{run}-{round_number}-{attempt}.session"

    def _write(self, file: Path, kept: _Kept) -> None:
        write_private(file, [self._seal.close(kept.to_bytes(), place=file.name)], synced=self._lasting)

    def _read(self, file: Path) -> _Kept:
        try:
            return _Kept.from_bytes(self._seal.open(file.read_bytes(), place=file.name))
        except FileNotFoundError:
            raise SessionRefusedError("this device is in no such session") from None
        except (ValueError, KeyError, TypeError):
            raise SessionRefusedError("the session's file is damaged") from None

    def _end_before(self, request: TrainRequest) -> None:
        """A run's earlier sessions are over: their secrets go."""
        now = (request.round_number, request.attempt)
        for file in self._directory.glob(f"{request.run}-*.session"):
            _, number, attempt = file.stem.split("-")
            if (int(number), int(attempt)) < now:
                file.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """What a killed process left half written goes, and what is left of sessions that never ended."""
        for file in self._directory.glob(".*.session.*"):
            file.unlink(missing_ok=True)
        for file in self._directory.glob("*.session"):
            if time.time() - file.stat().st_mtime > _KEPT_SECONDS:
                file.unlink(missing_ok=True)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
