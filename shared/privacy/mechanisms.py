"""User-level mechanisms: how one user's whole update is hidden in a cohort's sum.

Every one has two sides that meet in the sum. On the device an update is clipped to norm C (`shared.privacy.clipping`)
and nothing else that the mechanism counts on is the device's to choose: weights are uniform. Then noise is added, and
the only difference between a central mechanism and a distributed one is where:

    central       device: clip            server: encode → sum → noise → decode   (the server is trusted)
    distributed   device: clip → encode → noise share → mask     server: sum → decode

`SumMechanism` is the server's side of the first; the second is `shared.secagg.sum_encoding`.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from shared.privacy.integer_grid import IntegerSum

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

    def begin(self) -> IntegerSum:
        """An empty sum for a round's updates (d,), with rounding and noise of its own. Beginning one binds nothing."""
        ...

    def release_sum(self, summed: IntegerSum) -> NDArray[np.float64]:
        """(d,) a round's sum, which may be of no updates, with its noise: called once a round, in order."""
        ...

    @property
    def noise_std(self) -> float:
        """Standard deviation of the noise on one coordinate of the last sum released, in the updates' units."""
        ...
