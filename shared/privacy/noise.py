"""Where noise comes from. A released figure's noise and a test's noise are different types.

Both draw float64 normals. What this does not promise: noise added in floating point is not safe against attacks on the
low-order bits (Mironov, 2012); the guarantee is that of the real-valued Gaussian. Discrete noise belongs to the
secure-aggregation path.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

_KEY_BYTES = 32


class NoiseSource(Protocol):
    """A stream of independent random numbers; every call moves it on."""

    def words(self, size: int) -> NDArray[np.uint64]:
        """(size,) uniform 64-bit integers."""
        ...

    def uniform(self, size: int) -> NDArray[np.float64]:
        """(size,) numbers from [0, 1)."""
        ...

    def normal(self, size: int) -> NDArray[np.float64]:
        """(size,) standard normal numbers."""
        ...


class AesCtrNoise:
    """Noise for release: AES-256 in counter mode, 53-bit uniforms, Box-Muller.

    The same key gives the same stream. One key serves one release: two releases that share noise differ by their data.
    """

    def __init__(self, key: bytes) -> None:
        """Args:
            key: 32 secret bytes, fresh or from `for_release`.

        Raises:
            ValueError: another length.
        """
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a noise key must be {_KEY_BYTES} bytes")
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def __repr__(self) -> str:
        return "AesCtrNoise()"

    @classmethod
    def for_release(cls, device_key: bytes, release: bytes) -> AesCtrNoise:
        """The stream of one release of one device, by HKDF-SHA256.

        Args:
            device_key: 32 secret bytes that never leave the device.
            release: what the noise is for (plan digest, round); a repeat gets identical noise, another release its own.

        Raises:
            ValueError: the key has another length.
        """
        if len(device_key) != _KEY_BYTES:
            raise ValueError(f"a noise key must be {_KEY_BYTES} bytes")
        info = b"tacit/noise/" + release
        return cls(HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(device_key))

    def words(self, size: int) -> NDArray[np.uint64]:
        """(size,) uniform 64-bit integers."""
        return np.frombuffer(self._stream.update(bytes(8 * size)), dtype="<u8").astype(np.uint64)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """(size,) numbers from [0, 1), multiples of 2^-53."""
        return (self.words(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, size: int) -> NDArray[np.float64]:
        """(size,) standard normal numbers."""
        half = (size + 1) // 2
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(half)))
        angle = 2.0 * math.pi * self.uniform(half)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:size]


class SeededTestNoise:
    """Noise for tests and ablations: predictable, so never for a release."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def words(self, size: int) -> NDArray[np.uint64]:
        """(size,) uniform 64-bit integers."""
        return self._generator.integers(2**64, size=size, dtype=np.uint64)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """(size,) numbers from [0, 1)."""
        return self._generator.random(size)

    def normal(self, size: int) -> NDArray[np.float64]:
        """(size,) standard normal numbers."""
        return self._generator.standard_normal(size)
