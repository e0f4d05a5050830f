"""What different observers see of one device's update: as it was computed, clipped, under noise, and in sums.

Everything is the device's own code and the plan's own encoding (`client.training`, `shared.secagg.sum_encoding`); only
central noise is drawn here, since a server draws it from a key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from client.training import train_locally
from client.update import training_config
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair
from shared.privacy.clipping import clip_to_norm
from shared.privacy.mechanisms import is_distributed
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan
from shared.secagg.modulus import centre
from shared.secagg.session_terms import choose_threshold
from shared.secagg.sum_encoding import SumEncoding

_Vector = NDArray[np.float64]
SightName = Literal[
    "raw", "clipped", "own share of the noise", "noise of the sum", "sum of 10", "sum of 100", "released"
]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Attributes:
    name: in tables.
    observer: who sees it.
    others: devices in the sum beside the victim.
    share_of_noise: devices' shares of distributed noise in it: 0, 1, or all that are there.
    central: standard deviation of central noise on each number, over C.
    clipped: whether updates are.
    """

    name: SightName
    observer: str
    others: int = 0
    share_of_noise: bool = False
    central: float = 0.0
    clipped: bool = True


def sights_of(plan: FederationPlan, *, strangers: int) -> tuple[Sight, ...]:
    """The sights that a plan makes worth looking at, with at most so many other devices at hand."""
    user = plan.user_privacy
    distributed = user is not None and is_distributed(user.mechanism)
    found = [
        Sight(name="raw", observer="whoever reads the device's memory", clipped=False),
        Sight(name="clipped", observer=_CLIPPED if plan.secure_aggregation is None else _NO_MASKS_NO_NOISE),
    ]
    if distributed:
        found.append(Sight(name="own share of the noise", observer=_NO_MASKS, share_of_noise=True))
    if user is not None:
        found.append(Sight(name="noise of the sum", observer=_ALL_NOISE, central=user.noise_multiplier))
    found += [
        Sight(name=name, observer=f"whoever sees the exact sum of {size} devices", others=size - 1)
        for name, size in _SUMS
        if size - 1 <= strangers
    ]
    cohort = min(plan.cohort_size, plan.devices)
    if user is not None or plan.secure_aggregation is not None:
        found.append(
            Sight(
                name="released",
                observer="the server (under masks it sees nothing else), and whoever sees two releases"
                if plan.secure_aggregation is not None
                else "whoever sees two releases; the server sees each clipped update",
                others=min(cohort - 1, strangers),
                share_of_noise=distributed,
                central=0.0 if user is None or distributed else user.noise_multiplier,
            )
        )
    return tuple(found)


_SUMS: tuple[tuple[SightName, int], ...] = (("sum of 10", 10), ("sum of 100", 100))
_CLIPPED = "the server: the plan aggregates in plain, and it sees each clipped update"
_NO_MASKS_NO_NOISE = "whoever would see the update without masks and without noise"
_NO_MASKS = "the server, if the masks were gone: a device's update under its own share of the noise"
_ALL_NOISE = "whoever would see one update alone, under all the noise of a round's sum"


def device_update(
    adapted: AdaptedModel, plan: FederationPlan, state: NDArray[np.float32], pairs: Sequence[PreferencePair],
    *, round_number: int, seed: int,
) -> NDArray[np.float32]:  # fmt: skip
    """(d,) what a device's training on its pairs gives, not clipped."""
    return train_locally(
        adapted, state, pairs, training_config(plan), noise=AesCtrNoise(bytes(32)), seed=seed,
        round_number=round_number,
    ).vector  # fmt: skip


def seen(
    sight: Sight, plan: FederationPlan, victim: NDArray[np.float32], others: Sequence[NDArray[np.float32]], *, seed: int
) -> tuple[_Vector, float]:
    """What the observer has of the victim's update, and the standard deviation of the noise on each number of it.

    Args:
        victim, others: (d,) updates, not clipped; of the others so many are taken as the sight asks for.
        seed: of the noise.
    """
    if not sight.clipped:
        return victim.astype(np.float64), 0.0
    norm = plan.clipping_norm
    updates = [clip_to_norm(update, norm) for update in (victim, *others[: sight.others])]
    generator = np.random.default_rng(seed)
    if not sight.share_of_noise:
        total = np.sum(updates, axis=0, dtype=np.float64)
        std = sight.central * norm
        return np.asarray(total + std * generator.standard_normal(total.size)), std
    encoding = _encoding(plan, victim.size)
    source = AesCtrNoise(generator.bytes(32))
    encoded = np.zeros(encoding.encoded_dimension, dtype=np.uint32)
    for update in updates:
        encoded += encoding.encode(update, source)
    # Centred, as the server reads a sum: a cohort's worth of bits holds fewer devices' sum, too.
    return encoding.decode(centre(encoded, encoding.bits)), encoding.noise_std(len(updates))


def _encoding(plan: FederationPlan, dimension: int) -> SumEncoding:
    user, secure = plan.user_privacy, plan.secure_aggregation
    if user is None or secure is None or not is_distributed(user.mechanism):
        raise ValueError("the plan's devices add no noise")
    part = max(plan.parts(), key=lambda one: one.members)
    threshold, corrupt = choose_threshold(part.members, dropout=secure.dropout, corrupt=secure.corrupt)
    return SumEncoding(
        dimension=dimension,
        clipping_norm=plan.clipping_norm,
        members=part.members,
        contributors=threshold - corrupt,
        mechanism=user.mechanism,
        noise_multiplier=user.noise_multiplier,
    )


def norm_over_noise(update: NDArray[np.floating], std: float) -> float | None:
    """How long an update is beside the noise's expected length; None without noise."""
    if std == 0:
        return None
    return float(np.linalg.norm(update)) / (std * math.sqrt(update.size))
