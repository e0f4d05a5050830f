"""A file encrypted under a passphrase, written and read in pieces: what was cut, swapped or altered is not read.

    magic (8 bytes) | length of the head (4, big-endian) | head (JSON: scrypt's parameters) | chunks

A chunk is up to 64 KiB under AES-256-GCM, with everything before the first chunk as associated data. Its nonce is its
number (11 bytes, from 0) and whether it is the last (1 byte), as in age's STREAM: the key is one file's alone, so no
nonce comes twice, and a file that was cut, even between chunks, has no last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from client.vault.errors import BackupError
from client.vault.scrypt import ScryptParameters

_MAGIC = b"TACITBK1"
_CHUNK_BYTES = 65_536
_TAG_BYTES = 16
_MAX_HEAD_BYTES = 1_024


def seal(parts: Iterable[bytes], passphrase: str) -> Iterator[bytes]:
    """The encrypted file, piece by piece. Memory: a chunk, and 128 MiB while the key is derived."""
    parameters = ScryptParameters.fresh()
    head = json.dumps(parameters.values()).encode("ascii")
    prefix = _MAGIC + len(head).to_bytes(4, "big") + head
    cipher = AESGCM(parameters.derive(passphrase))
    yield prefix
    pending = b""
    number = 0
    for part in parts:
        pending += part
        while len(pending) > _CHUNK_BYTES:  # a full chunk may be the last one
            yield cipher.encrypt(_nonce(number, last=False), pending[:_CHUNK_BYTES], prefix)
            pending = pending[_CHUNK_BYTES:]
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), pending, prefix)


def unseal(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """What `seal` was given, chunk by chunk. Nothing is to be trusted before the last one has come.

    Raises:
        BackupError: wrong passphrase, or the file is not whole or not what was written.
        OSError: it cannot be read.
    """
    prefix, parameters = _head(file)
    cipher = AESGCM(parameters.derive(passphrase))
    number = 0
    chunk = file.read(_CHUNK_BYTES + _TAG_BYTES)
    while True:
        following = file.read(_CHUNK_BYTES + _TAG_BYTES)
        try:
            opened = cipher.decrypt(_nonce(number, last=not following), chunk, prefix)
        except (InvalidTag, ValueError):
            raise BackupError from None
        yield opened
        if not following:
            return
        chunk = following
        number += 1


def _head(file: BinaryIO) -> tuple[bytes, ScryptParameters]:
    magic, length = file.read(len(_MAGIC)), file.read(4)
    size = int.from_bytes(length, "big")
    if magic != _MAGIC or len(length) != 4 or size > _MAX_HEAD_BYTES:
        raise BackupError
    head = file.read(size)
    try:
        values = json.loads(head)
        if not isinstance(values, dict):
            raise BackupError
        return magic + length + head, ScryptParameters.parse(values)
    except (ValueError, RecursionError):
        raise BackupError from None


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
