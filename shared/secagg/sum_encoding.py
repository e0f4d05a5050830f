"""How a device's update becomes what is masked, and a sum of them an update again. The order is written here, once:

    clip → rotate → scale and round (norm checked in integers) → noise share → modulo 2^b → mask → sum → centre → scale
    → rotate back

Sensitivity and noise are exact integers. Clipping is checked again here, whatever was done before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.privacy.distributed_noise import NoiseShare
from shared.privacy.integer_grid import LEAST_SCALE, IntegerGrid
from shared.privacy.mechanisms import DistributedMechanism
from shared.privacy.noise import NoiseSource
from shared.secagg.modulus import bits_for_rotated_sum, bits_for_sum, to_modulus
from shared.secagg.rotation import HadamardRotation, padded_dimension

_FINE_SCALE = 2.0**16  # without noise: rounding adds less than 1e-3 C to the largest adapter's update


@dataclass(frozen=True, kw_only=True)
class SumEncoding:
    """Of one session.

    Attributes:
        dimension: d, of an update.
        clipping_norm: C.
        members: that may be in the sum.
        contributors: honest members that are in it at least.
        mechanism: of the noise; None adds none.
        noise_multiplier: z.
        rotation_seed: public; None does not rotate.

    Raises:
        ValueError: see `IntegerGrid` and `NoiseShare`.
        ModulusError: the sum would need more than 32 bits a number.
    """

    dimension: int
    clipping_norm: float
    members: int
    contributors: int
    mechanism: DistributedMechanism | None = None
    noise_multiplier: float = 0.0
    rotation_seed: bytes | None = None

    @cached_property
    def rotation(self) -> HadamardRotation | None:
        """How updates are rotated."""
        return None if self.rotation_seed is None else HadamardRotation(self.dimension, seed=self.rotation_seed)

    @cached_property
    def grid(self) -> IntegerGrid:
        """How they become integers."""
        return IntegerGrid(
            dimension=self.dimension if self.rotation_seed is None else padded_dimension(self.dimension),
            clipping_norm=self.clipping_norm,
            least_scale=_FINE_SCALE if self.mechanism is None else LEAST_SCALE,
        )

    @cached_property
    def share(self) -> NoiseShare | None:
        """What each device adds."""
        if self.mechanism is None:
            return None
        return NoiseShare(
            mechanism=self.mechanism,
            noise_multiplier=self.noise_multiplier,
            norm_bound=self.grid.norm_bound,
            contributors=self.contributors,
        )

    @cached_property
    def bits(self) -> int:
        """b of the modulus."""
        width = bits_for_sum if self.rotation_seed is None else bits_for_rotated_sum
        return width(
            vectors=self.members,
            dimension=self.grid.dimension,
            norm_bound=self.grid.norm_bound,
            noise_variance=0.0 if self.share is None else self.members * self.share.variance,
        )

    @property
    def encoded_dimension(self) -> int:
        """Numbers in an encoded update."""
        return self.grid.dimension

    def noise_std(self, vectors: int) -> float:
        """Standard deviation of the noise on one number of a sum of so many updates, in their units."""
        variance = 0.0 if self.share is None else vectors * self.share.variance
        return float(self.grid.decode(np.array([math.sqrt(variance)]))[0])

    def encode(self, update: NDArray[np.float32], source: NoiseSource) -> NDArray[np.uint32]:
        """(D,) what a device masks.

        Args:
            update: (d,).
            source: secret randomness that serves nothing else: the noise hides the update from whoever unmasks the sum.

        Raises:
            NonFiniteUpdateError: NaN or infinity.
            ValueError: another shape; or there is no table for this noise.
        """
        turned = update if self.rotation is None else self.rotation.rotate(update)
        encoded = self.grid.encode(turned, source)
        if self.share is not None:
            encoded += self.share.draw(self.grid.dimension, source)
        return to_modulus(encoded, self.bits)

    def decode(self, total: NDArray[np.int64]) -> NDArray[np.float64]:
        """(d,) the sum of the updates, noise included, of a centred sum (D,)."""
        turned = self.grid.decode(total)
        return turned if self.rotation is None else self.rotation.back(turned)
