"""The server's steps along pseudo-gradients (Reddi et al., 2021, arXiv:2003.00295, algorithm 2).

With D the released mean update of a round:

| method | step |
| --- | --- |
| sgd | eta D (FedAvg at eta = 1) |
| momentum | eta m, m <- beta1 m + D (FedAvgM, Hsu et al., 2019, arXiv:1909.06335) |
| adagrad | eta m / (sqrt(v) + tau), v <- v + D^2 |
| yogi | eta m / (sqrt(v) + tau), v <- v - (1 - beta2) D^2 sign(v - D^2) |
| adam | eta m / (sqrt(v) + tau), v <- beta2 v + (1 - beta2) D^2 |

where m <- beta1 m + (1 - beta1) D in the last three, m starts at 0 and v at tau^2. There is no correction for the
start, as the paper has none; Flower's FedAdam has one, its FedAdagrad has beta1 = 0, and all of its v start at 0. Steps
are functions of released means: post-processing, which costs no privacy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Method = Literal["sgd", "momentum", "adam", "adagrad", "yogi"]
_MOMENTUM, _SECOND = "momentum", "second_moment"


class ServerOptimizer:
    """Holds what one method remembers from round to round, in float64."""

    def __init__(
        self, method: Method, *, dimension: int, beta1: float = 0.9, beta2: float = 0.99, adaptivity: float = 1e-3
    ) -> None:
        """Args:
            dimension: d, of every pseudo-gradient.
            beta1, beta2: decay of m and of v, at least 0 and below 1.
            adaptivity: tau, above 0: the smaller, the more a step's length differs by coordinate from D's.

        Raises:
            ValueError: they are not, or there is no such method.
        """
        if method not in get_args(Method):
            raise ValueError(f"there is no server optimizer {method!r}: there are {', '.join(get_args(Method))}")
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise ValueError("decays must be at least 0 and below 1")
        if dimension < 1 or not (adaptivity > 0 and math.isfinite(adaptivity)):
            raise ValueError("the dimension must be at least 1, and the adaptivity finite and above 0")
        self._method, self._beta1, self._beta2, self._tau = method, beta1, beta2, adaptivity
        self._kept: dict[str, NDArray[np.float64]] = {}
        if method != "sgd":
            self._kept[_MOMENTUM] = np.zeros(dimension)
        if method not in ("sgd", "momentum"):
            self._kept[_SECOND] = np.full(dimension, adaptivity**2)
        self._dimension = dimension

    def step(self, pseudo_gradient: NDArray[np.float64], learning_rate: float) -> NDArray[np.float64]:
        """(d,) what to ADD to the parameters.

        Args:
            pseudo_gradient: (d,) D: the mean update, which points where the parameters shall go (minus a gradient).
            learning_rate: eta of this round.

        Raises:
            ValueError: another shape, or NaN or infinity; nothing is remembered of it then.
        """
        if pseudo_gradient.shape != (self._dimension,):
            raise ValueError(f"the pseudo-gradient must have {self._dimension} numbers")
        if not (np.isfinite(pseudo_gradient).all() and math.isfinite(learning_rate)):
            raise ValueError("the pseudo-gradient and the learning rate must be finite")
        change = pseudo_gradient.astype(np.float64)
        if self._method == "sgd":
            return learning_rate * change
        fresh = 1.0 if self._method == "momentum" else 1 - self._beta1
        momentum = self._kept[_MOMENTUM] = self._beta1 * self._kept[_MOMENTUM] + fresh * change
        if self._method == "momentum":
            return learning_rate * momentum
        second = self._kept[_SECOND] = self._next_second_moment(self._kept[_SECOND], change**2)
        return learning_rate * momentum / (np.sqrt(second) + self._tau)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Copies of all that the next step depends on, each (d,), for `restore` to go on from."""
        return {name: kept.copy() for name, kept in self._kept.items()}

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Takes what `state` gave.

        Raises:
            ValueError: it is of another method or dimension, holds NaN or infinity, or a second moment below 0.
        """
        if set(state) != set(self._kept):
            raise ValueError(f"{self._method} remembers {sorted(self._kept)}, not {sorted(state)}")
        for name, kept in state.items():
            if (
                kept.shape != (self._dimension,)
                or not np.isfinite(kept).all()
                or (name == _SECOND and (kept < 0).any())
            ):
                raise ValueError(f"{name} must be {self._dimension} finite numbers, a second moment at least 0")
        self._kept = {name: kept.astype(np.float64) for name, kept in state.items()}

    def _next_second_moment(self, second: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._method == "adagrad":
            return second + square
        if self._method == "yogi":
            return second - (1 - self._beta2) * square * np.sign(second - square)
        return self._beta2 * second + (1 - self._beta2) * square
