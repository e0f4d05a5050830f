"""The two factors of an adapted layer, and the rotation of them by which FedRot-LoRA makes devices' factors comparable.

A product b a is also (b R)(R' a) for every orthogonal R, so that two devices may say the same in factors whose mean
says something else. FedRot-LoRA (Zhang et al., 2026, arXiv:2602.23638) has each DEVICE turn its factors towards the
last global ones before it sends them, which is why this lives here and not with the server's aggregation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LayerFactors:
    """One adapted layer: its weight is W + scale * b @ a (+ a residual where a method has one).

    Attributes:
        a: (rank, in), finite.
        b: (out, rank), finite.

    Raises:
        ValueError: they are not, or do not fit each other.
    """

    a: NDArray[np.floating]
    b: NDArray[np.floating]

    def __post_init__(self) -> None:
        for name, factor in (("a", self.a), ("b", self.b)):
            if factor.ndim != 2 or 0 in factor.shape or not np.issubdtype(factor.dtype, np.floating):
                raise ValueError(f"factor {name} must be a matrix of floating-point numbers, not empty")
            if not np.isfinite(factor).all():
                raise ValueError(f"factor {name} holds NaN or infinity")
        if self.a.shape[0] != self.b.shape[1]:
            raise ValueError(f"factors of rank {self.a.shape[0]} and {self.b.shape[1]} make no product")

    @property
    def rank(self) -> int:
        """Rows of a, which are columns of b."""
        return int(self.a.shape[0])

    def product(self) -> NDArray[np.float64]:
        """(out, in) b @ a, dense."""
        return self.b.astype(np.float64) @ self.a.astype(np.float64)

    def truncated(self, rank: int) -> LayerFactors:
        """The first `rank` rows of a and columns of b.

        Raises:
            ValueError: there are not so many, or none is asked for.
        """
        if not 1 <= rank <= self.rank:
            raise ValueError(f"factors of rank {self.rank} cannot be cut to rank {rank}")
        return LayerFactors(a=self.a[:rank], b=self.b[:, :rank])

    def padded(self, rank: int) -> LayerFactors:
        """The same product in factors of `rank`: zero rows are added to a, zero columns to b.

        Raises:
            ValueError: that is less than they have.
        """
        more = rank - self.rank
        if more < 0:
            raise ValueError(f"factors of rank {self.rank} cannot be padded to rank {rank}")
        return LayerFactors(a=np.pad(self.a, ((0, more), (0, 0))), b=np.pad(self.b, ((0, 0), (0, more))))


Layers = tuple[LayerFactors, ...]


def rotate_to(
    reference: LayerFactors, factors: LayerFactors, *, by: Literal["a", "b"], softness: float
) -> LayerFactors:
    """`factors` turned towards `reference`: b R and R' a, float64, with the same product for every softness.

    R* is the rotation with the least ||R' A - A_ref|| in odd rounds (by "a"), ||B R - B_ref|| in even ones (by "b"),
    det R* = 1: orthogonal Procrustes by the SVD of the r x r overlap. The soft rotation (1 - softness) I + softness R*
    is NOT orthogonal; as in the paper it is put back on the orthogonal group, by its polar factor, and only so is the
    product kept.

    | softness (the paper's lambda) | result |
    | --- | --- |
    | 0 | the factors as they are: FedIT |
    | 1 | turned all the way, by R* |
    | 1/2, and R* turns a plane by half a turn | kept product, but which way that plane turns is up to rounding |
    | any, and the overlap is zero (B of a first round) | the factors as they are |

    Raises:
        ValueError: the shapes differ, or softness is not within 0 and 1.
    """
    if reference.a.shape != factors.a.shape or reference.b.shape != factors.b.shape:
        raise ValueError("factors can only be turned towards factors of their shapes")
    if not 0 <= softness <= 1:
        raise ValueError("softness must be within 0 and 1")
    a, b = factors.a.astype(np.float64), factors.b.astype(np.float64)
    overlap = a @ reference.a.astype(np.float64).T if by == "a" else b.T @ reference.b.astype(np.float64)
    if not overlap.any():
        return LayerFactors(a=a, b=b)
    left, _, right = np.linalg.svd(overlap)
    if np.linalg.det(left @ right) < 0:  # a reflection: the weakest direction gives way
        left[:, -1] *= -1
    left, _, right = np.linalg.svd((1 - softness) * np.eye(factors.rank) + softness * (left @ right))
    rotation = left @ right
    return LayerFactors(a=rotation.T @ a, b=b @ rotation)
