"""Masks: vectors that hide another, expanded from 256-bit keys by AES-256 in counter mode.

Two devices that share a key add and subtract the same mask, so that it is gone from their sum. A key serves one mask.
Arithmetic is modulo 2^32; whoever needs fewer bits drops the upper ones afterwards, which commutes with sums.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

_PIECE = 64 * 1024  # words: key stream and sum stay in the processor's cache


def apply_mask(vector: NDArray[np.uint32], key: bytes, sign: Literal[1, -1]) -> None:
    """Adds the key's mask to `vector` (d,) in place, or subtracts it, modulo 2^32.

    Raises:
        ValueError: the key is not 32 bytes.
    """
    if len(key) != 32:
        raise ValueError("a mask key must be 32 bytes")
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    longest = 4 * min(_PIECE, vector.size)
    zeros, out = bytes(longest), bytearray(longest + 16)
    for start in range(0, vector.size, _PIECE):
        piece = vector[start : start + _PIECE]
        size = 4 * piece.size
        stream.update_into(memoryview(zeros)[:size], out)
        mask = np.frombuffer(out, dtype="<u4", count=piece.size)
        if sign > 0:
            np.add(piece, mask, out=piece)
        else:
            np.subtract(piece, mask, out=piece)
