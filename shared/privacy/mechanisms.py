"""User-level mechanisms: how one user's whole update is hidden in a cohort's sum.

Every one has two sides that meet in the sum. On the device an update is clipped to norm C (`shared.privacy.clipping`)
and nothing else that the mechanism counts on is the device's to choose: weights are uniform. Then noise is added, and
the only difference between a central mechanism and a distributed one is where:

    central       device: clip            server: encode → sum → noise → decode   (the server is trusted)
    distributed   device: clip → encode → noise share → mask     server: sum → decode

`SumMechanism` is the server's side of the first; the second is `shared.secagg.sum_encoding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

CentralMechanism = Literal["gaussian", "banded-gaussian"]
DistributedMechanism = Literal["skellam", "discrete-gaussian"]
UserMechanism = CentralMechanism | DistributedMechanism
CENTRAL: tuple[CentralMechanism, ...] = get_args(CentralMechanism)
DISTRIBUTED: tuple[DistributedMechanism, ...] = get_args(DistributedMechanism)
Sampling = Literal["random", "schedule", "poisson"]


def is_distributed(mechanism: UserMechanism) -> TypeGuard[DistributedMechanism]:
    """Whether devices add the noise themselves."""
    return mechanism in DISTRIBUTED


class SumMechanism(Protocol):
    """Turns the clipped updates of a round into a sum that may be released."""

    def release(self, updates: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """(d,) the noised sum of a round's updates (d,), which may be none: called once a round, in order.

        Raises:
            NonFiniteUpdateError: an update holds NaN or infinity.
        """
        ...

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on one coordinate of the last sum released, in the updates' units."""
        ...
