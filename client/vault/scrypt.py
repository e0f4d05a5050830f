"""A key from a passphrase, slowly: scrypt (RFC 7914), with parameters that a file cannot turn against its reader."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

KEY_BYTES = 32
_SALT_BYTES = 16
_COSTS = {2**exponent for exponent in range(14, 21)}
_MAX_BLOCK, _MAX_PARALLEL = 16, 4
_MAX_MEMORY = 2**30


@dataclass(frozen=True, kw_only=True)
class ScryptParameters:
    """How a key is derived. Memory is 128·n·r bytes: 128 MiB by default.

    Attributes:
        salt: 16 random bytes.
        n: cost, a power of two from 2^14 to 2^20.
        r: block size, 1 to 16.
        p: parallelism, 1 to 4.

    Raises:
        ValueError: outside these bounds, or more than 1 GiB of memory: what a file asks for is not to be trusted
            before its authenticity is known, which takes this very key.
    """

    salt: bytes
    n: int = 2**17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        if len(self.salt) != _SALT_BYTES or self.n not in _COSTS:
            raise ValueError("scrypt's salt or cost is out of bounds")
        if not 1 <= self.r <= _MAX_BLOCK or not 1 <= self.p <= _MAX_PARALLEL or 128 * self.n * self.r > _MAX_MEMORY:
            raise ValueError("scrypt's block size or parallelism is out of bounds")

    @classmethod
    def fresh(cls) -> ScryptParameters:
        """The default cost, and a new salt."""
        return cls(salt=secrets.token_bytes(_SALT_BYTES))

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> ScryptParameters:
        """What `values` gives. Raises: ValueError: other keys, other types, out of bounds."""
        if set(values) != {"salt", "n", "r", "p"}:
            raise ValueError("scrypt's parameters are salt, n, r and p")
        salt, n, r, p = values["salt"], values["n"], values["r"], values["p"]
        if not isinstance(salt, str) or type(n) is not int or type(r) is not int or type(p) is not int:
            raise ValueError("scrypt's parameters have other types")
        return cls(salt=bytes.fromhex(salt), n=n, r=r, p=p)

    def values(self) -> dict[str, object]:
        """For a JSON file."""
        return {"salt": self.salt.hex(), "n": self.n, "r": self.r, "p": self.p}

    def derive(self, passphrase: str) -> bytes:
        """32 bytes. The same letters give the same key however a keyboard composes them (Unicode NFC)."""
        typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
        return Scrypt(salt=self.salt, length=KEY_BYTES, n=self.n, r=self.r, p=self.p).derive(typed)
