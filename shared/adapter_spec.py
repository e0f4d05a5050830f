"""What two parties must agree on before a vector means anything to both: an adapter's settings, and its layout.

What is sent down is the STATE of a run: one flat vector of all factors in `AdapterMethod.sent_down`. A device's UPDATE
is another: the change of those factors that are trained in the round, in the same order.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.adapter_methods import METHODS, AdapterMethod, Factor, Method

_UNIFORMS_PER_NORMAL = 12
_CHUNK = 1 << 16
_LARGEST_RANK = 1 << 14
SUFFIXES: Mapping[Factor, str] = {
    "a": "lora_A.weight", "b": "lora_B.weight", "core": "lora_R.weight", "residual": "residual.weight",
}  # fmt: skip


class AdapterError(ValueError):
    """An adapter does not fit the model, or a vector does not fit the adapter."""


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """Attributes:
    method: how the adapter is federated (`shared.adapter_methods`).
    rank: r. Under privacy the number of shared parameters is the enemy: r is the first knob.
    ranks: of devices of different strength, as names: device k has rank `ranks[k % len(ranks)]`, and `rank` is the
        largest. "same" gives all of them `rank`. A device of a smaller rank holds the first rows of A and columns of B.
    alpha: the adapted weight is `W + (alpha / rank) B A`.
    target_modules: module names by suffix, or every linear layer but the LM head.
    basis: of a method with a core, what its frozen factors are (`shared.adapter_basis`): "drawn" from the seed, or the
        leading singular directions of the base model's own "weights".
    seed: of the factors' beginning; part of the plan, so that all parties hold the same.
    """

    method: Method = "ffa-lora"
    rank: int = 4
    ranks: tuple[str, ...] | Literal["same"] = "same"
    alpha: float = 8.0
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    basis: Literal["drawn", "weights"] = "drawn"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise AdapterError(f"unknown adapter method {self.method!r}: known are {', '.join(METHODS)}")
        if not 1 <= self.rank <= _LARGEST_RANK or not self.alpha > 0:
            raise AdapterError(f"an adapter's rank must be from 1 to {_LARGEST_RANK} and its alpha above 0")
        if not self.target_modules:
            raise AdapterError("an adapter needs at least one target module, or 'all-linear'")
        if self.ranks != "same":
            given = [int(rank) if rank.isdecimal() and len(rank) < 6 else 0 for rank in self.ranks]
            if not given or min(given) < 1 or max(given) != self.rank:
                raise AdapterError("adapter.ranks must be numbers from 1, the largest of them adapter.rank; or 'same'")

        if self.basis != "drawn" and "core" not in self.federation.has:
            raise AdapterError(
                f"adapter.basis must be 'drawn' with {self.method}: only a core, as of 'fed-sb', is trained in a basis"
            )

    @property
    def federation(self) -> AdapterMethod:
        """The method itself."""
        return METHODS[self.method]

    def rank_of(self, device: int) -> int:
        """The rank that device number `device` trains."""
        return self.rank if self.ranks == "same" else int(self.ranks[device % len(self.ranks)])


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """Attributes:
    config: the adapter's.
    base_name, base_fingerprint: the base model's.
    parameters: ordered `(name, shape)` of the state; a state vector is their concatenation in this order, row-major.
    """

    config: AdapterConfig
    base_name: str
    base_fingerprint: str
    parameters: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def state_dimension(self) -> int:
        """How many numbers are sent down, and released."""
        return sum(math.prod(shape) for _, shape in self.parameters)

    @property
    def dimension(self) -> int:
        """d, how many numbers an update holds; in the largest of a method's turns."""
        return max(self.update_dimension(turn + 1) for turn in range(self.config.federation.turns))

    def update_dimension(self, round_number: int) -> int:
        """How many numbers the update of a round holds."""
        return sum(part.stop - part.start for part in self._trained(round_number))

    def restrict(self, state: NDArray[np.floating], round_number: int) -> NDArray[np.floating]:
        """(update_dimension,) of a vector laid out as the state: what an update of the round holds of it."""
        return np.concatenate([state[part] for part in self._trained(round_number)])

    def expand(self, update: NDArray[np.floating], round_number: int) -> NDArray[np.float64]:
        """(state_dimension,) of an update: zero where the round trains nothing."""
        out = np.zeros(self.state_dimension)
        offset = 0
        for part in self._trained(round_number):
            size = part.stop - part.start
            out[part] = update[offset : offset + size]
            offset += size
        return out

    def arrays(self, state: NDArray[np.floating]) -> Iterator[tuple[str, Factor, NDArray[np.floating]]]:
        """(layer, factor, view of the vector in the factor's shape) for every parameter, in order."""
        for (name, shape), part in zip(self.parameters, self._parts(), strict=True):
            layer, factor = split_name(name)
            yield layer, factor, state[part].reshape(shape)

    def digest(self) -> str:
        """SHA-256 (hex) over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def _parts(self) -> list[slice]:
        ends = np.cumsum([math.prod(shape) for _, shape in self.parameters]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _trained(self, round_number: int) -> Sequence[slice]:
        factors = self.config.federation.factors(round_number)
        named = zip(self.parameters, self._parts(), strict=True)
        return [part for (name, _), part in named if split_name(name)[1] in factors]


def split_name(name: str) -> tuple[str, Factor]:
    """A parameter's layer, and which of its factors it is."""
    for factor, suffix in SUFFIXES.items():
        if name.endswith(f".{suffix}"):
            return name.removesuffix(f".{suffix}"), factor
    raise AdapterError(f"{name!r} is no factor of an adapter")


def first_factor(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """`A` (rank, in_features) ~ N(0, 1/in_features), the same bits on every machine.

    The stream is Philox, keyed by SHA-256 of seed and parameter name, so it depends neither on the order of layers nor
    on anybody's global generator. A normal is the sum of twelve uniforms: its steps are exact in float64 or correctly
    rounded by IEEE 754, where a logarithm or cosine would differ by the machine's maths library.
    """
    key = hashlib.sha256(f"tacit/adapter/{seed}/{name}".encode()).digest()
    stream = np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8"))
    count = math.prod(shape)
    out = np.empty(count, dtype=np.float64)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        words = np.asarray(stream.random_raw(size * _UNIFORMS_PER_NORMAL), dtype=np.uint64) >> np.uint64(32)
        total = words.reshape(size, _UNIFORMS_PER_NORMAL).sum(axis=1)
        out[start : start + size] = total.astype(np.float64) / 2**32 - _UNIFORMS_PER_NORMAL / 2
    return (out / math.sqrt(shape[-1])).astype(np.float32).reshape(shape)


def orthonormal(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(r, n) orthonormal rows that span those given, r <= n: QR with a positive diagonal, which is unique.

    Unique up to rounding, that is: two machines' libraries may differ in the last bits, as they do in every forward
    pass.
    """
    q, r = np.linalg.qr(rows.astype(np.float64).T)
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    return (q * signs).T.astype(np.float32)
