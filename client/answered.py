"""What this device has answered, kept encrypted until its round is over: asked again, it sends the same bytes.

A round asked twice and answered twice, with other noise or over other pairs, would tell the difference. So a reply is
on disk before it is sent; an identical request gets it again, and any other request for that round gets nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from client.seal import Seal, SealError
from shared.messages import TrainReply, TrainRequest
from shared.private_files import write_private


class AnsweredError(RuntimeError):
    """A reply that was sent cannot be had again, so the request must not be answered. Holds no content."""


class AnsweredRounds:
    """The replies of one device. The newest of each run is kept: an older round is never asked again in earnest."""

    def __init__(self, directory: Path, *, device_key: bytes) -> None:
        """Args:
        directory: made with mode 0700 when it is needed.
        device_key: the device's 32 secret bytes; the files' key is derived from it.
        """
        self._directory = directory
        self._seal = Seal(device_key, purpose="answered-rounds")

    def keep(self, request: TrainRequest, reply: TrainReply) -> str:
        """Stores a reply, whole or not at all; returns the digest of its bytes. Raises: OSError."""
        content = _to_bytes(reply)
        sealed = self._seal.close(content, place=request.digest())
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._file(request)
        write_private(file, [sealed])
        for other in self._directory.glob(f"{request.run}-*.reply"):
            _, number, attempt = other.stem.split("-")
            if (int(number), int(attempt)) < (request.round_number, request.attempt):
                other.unlink(missing_ok=True)
        return hashlib.sha256(content).hexdigest()

    def find(self, request: TrainRequest, digest: str) -> TrainReply:
        """The reply that was sent to this very request.

        Args:
            digest: what `keep` returned.

        Raises:
            AnsweredError: it is gone or damaged.
        """
        try:
            content = self._seal.open(self._file(request).read_bytes(), place=request.digest())
        except (OSError, SealError):
            raise AnsweredError("what this device answered to this request is no longer kept") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise AnsweredError("what is kept is not what this device answered")
        return _from_bytes(content)

    def _file(self, request: TrainRequest) -> Path:
        return self._directory / f"{request.run}-{request.round_number}-{request.attempt}.reply"


def _to_bytes(reply: TrainReply) -> bytes:
    if reply.metrics is not None:
        raise ValueError("only a private run's replies are kept, and they hold no figures")
    said = {"status": reply.status, "request": reply.request_digest, "keys": reply.keys.hex()}
    head = json.dumps(said).encode()
    return head + b"\n" + (b"" if reply.vector is None else reply.vector.astype("<f4").tobytes())


def _from_bytes(content: bytes) -> TrainReply:
    head, _, body = content.partition(b"\n")
    said = json.loads(head)
    vector = np.frombuffer(body, dtype="<f4").astype(np.float32) if body else None
    keys = bytes.fromhex(said["keys"])
    return TrainReply(status=said["status"], request_digest=said["request"], vector=vector, keys=keys)
