"""Central user-level mechanisms: the server, trusted, adds Gaussian noise to the sum of a round's clipped updates.

Updates become integers of bounded norm (`shared.privacy.integer_grid`), their sum is exact, and the noise is a rounded
Gaussian from AES (`shared.privacy.rounded_gaussian`): what is released is the Gaussian mechanism to the last bit. The
noise depends on the plan alone, never on how many devices answered.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from server.whole_files import write_whole
from shared.adapter_spec import AdapterSpec
from shared.plan_terms import UserPrivacyTerms
from shared.privacy.banded_noise import BandedToeplitz
from shared.privacy.integer_grid import IntegerGrid, IntegerSum
from shared.privacy.mechanisms import SumMechanism, is_distributed
from shared.privacy.noise import AesCtrNoise, NoiseSource
from shared.privacy.rounded_gaussian import rounded_gaussian
from shared.round_plan import FederationPlan

NOISE_STATE_FILE = "central-noise.safetensors"
NewNoise = Callable[[], NoiseSource]


class NoiseStateError(RuntimeError):
    """What correlated noise must remember of earlier rounds is missing or damaged."""


def fresh_noise() -> AesCtrNoise:
    """A new key from the operating system for every release: no two share noise, whatever is asked again."""
    return AesCtrNoise(secrets.token_bytes(32))


class CentralGaussian:
    """Independent noise of standard deviation z C in every round."""

    def __init__(self, terms: UserPrivacyTerms, grid: IntegerGrid, *, new_noise: NewNoise = fresh_noise) -> None:
        """Raises: ValueError: so much or so little noise that the grid does not hold it."""
        self._grid = grid
        self._new_noise = new_noise
        self._sigma = terms.noise_multiplier * grid.norm_bound
        self._gaussian = rounded_gaussian(self._sigma)

    @property
    def noise_std(self) -> float:
        """On one coordinate of the sum, in the updates' units."""
        return float(self._grid.decode(np.array([self._sigma]))[0])

    def begin(self) -> IntegerSum:
        """See `SumMechanism`."""
        return IntegerSum(self._grid, self._new_noise())

    def release_sum(self, summed: IntegerSum) -> NDArray[np.float64]:
        """(d,) the updates' sum with its noise; of noise alone if there are none."""
        return self._grid.decode(summed.total + self._gaussian.draw(self._grid.dimension, summed.source))

    def release(self, updates: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
        """(d,) the same of updates that are at hand."""
        return self.release_sum(_sum(updates, self.begin()))


class CentralBandedGaussian:
    """Correlated noise over a whole run (`shared.privacy.banded_noise`).

    What it must remember of the last rounds (their exact sums, which are secret) stands in a file of the server's that
    only it can read, so that a killed run goes on with the same matrix.
    """

    def __init__(
        self,
        terms: UserPrivacyTerms,
        grid: IntegerGrid,
        *,
        rounds: int,
        released: int = 0,
        state_file: Path | None = None,
        new_noise: NewNoise = fresh_noise,
    ) -> None:
        """Args:
            rounds: of the whole run.
            released: rounds that stand already.
            state_file: where the sums are kept; None keeps them in memory alone.

        Raises:
            NoiseStateError: rounds stand, and their state does not.
            ValueError: as `CentralGaussian`.
        """
        self._grid = grid
        self._factor = BandedToeplitz(bands=min(terms.separation, rounds))
        self._new_noise = new_noise
        self._state_file = state_file
        sensitivity = self._factor.sensitivity(terms.participations) * grid.norm_bound
        self._sigma = terms.noise_multiplier * sensitivity
        self._gaussian = rounded_gaussian(self._sigma)
        self._growth = self._factor.noise_growth(rounds)
        self._sums: list[NDArray[np.int64]] = []
        self._estimates: list[NDArray[np.float64]] = []
        self._released = released
        if released > 0:
            self._sums, self._estimates = self._read(released)

    @property
    def noise_std(self) -> float:
        """On one coordinate of the last sum released (the first, before any), in the updates' units."""
        last = max(self._released - 1, 0)
        return float(self._grid.decode(np.array([self._growth[last] * self._sigma]))[0])

    def begin(self) -> IntegerSum:
        """See `SumMechanism`."""
        return IntegerSum(self._grid, self._new_noise())

    def release(self, updates: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
        """(d,) the sum of updates that are at hand, as `release_sum`."""
        return self.release_sum(_sum(updates, self.begin()))

    def release_sum(self, summed: IntegerSum) -> NDArray[np.float64]:
        """(d,) this round's sum with its correlated noise.

        Raises:
            OverflowError: 64 bits do not hold the cohort's sum.
            OSError: what the next rounds need cannot be kept: the sum must not be released.
        """
        self._sums.append(summed.total)
        noised = self._factor.combine(self._sums) + self._gaussian.draw(self._grid.dimension, summed.source)
        self._estimates.append(self._factor.resolve(noised, self._estimates))
        self._released += 1
        keep = self._factor.bands
        self._sums, self._estimates = self._sums[-keep:], self._estimates[-keep:]
        self._write()
        return self._grid.decode(self._estimates[-1])

    def _write(self) -> None:
        if self._state_file is None:
            return
        state: dict[str, NDArray[np.generic]] = {}
        for back, (total, estimate) in enumerate(zip(reversed(self._sums), reversed(self._estimates), strict=True)):
            number = self._released - back
            state |= {f"sum.{number}": total, f"estimate.{number}": estimate}
        write_whole(self._state_file, save(state), mode=0o600)

    def _read(self, released: int) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]]]:
        missing = NoiseStateError(
            f"the noise of the last {self._factor.bands} rounds is not in {NOISE_STATE_FILE}: this run cannot go on, "
            "since new noise would not fit the old; its releases stand"
        )
        if self._state_file is None or not self._state_file.exists():
            raise missing
        if os.name == "posix" and self._state_file.stat().st_mode & 0o077:
            raise NoiseStateError(f"{self._state_file} can be read by others, and takes the noise off: a leak")
        first = max(1, released - self._factor.bands + 2)  # the oldest round that the next one still mixes in
        try:
            state = load(self._state_file.read_bytes())
            sums = [state[f"sum.{number}"] for number in range(first, released + 1)]
            estimates = [state[f"estimate.{number}"] for number in range(first, released + 1)]
        except (SafetensorError, KeyError, ValueError):
            raise missing from None
        shapes_right = all(part.shape == (self._grid.dimension,) for part in (*sums, *estimates))
        if not shapes_right or any(part.dtype != np.int64 for part in sums):
            raise missing
        return sums, estimates


def open_mechanism(
    plan: FederationPlan, *, dimension: int, released: int, state_file: Path | None
) -> SumMechanism | None:
    """What the server adds to a round's sum; None if it protects no user, or devices add their noise themselves.

    Raises:
        NoiseStateError, ValueError: see the mechanisms.
    """
    terms = plan.user_privacy
    if terms is None or is_distributed(terms.mechanism):
        return None
    grid = IntegerGrid(dimension=dimension, clipping_norm=plan.clipping_norm)
    if terms.mechanism == "gaussian":
        return CentralGaussian(terms, grid)
    return CentralBandedGaussian(terms, grid, rounds=plan.rounds, released=released, state_file=state_file)


def open_mechanisms(
    plan: FederationPlan, spec: AdapterSpec, *, released: int, state_file: Path | None
) -> tuple[SumMechanism | None, ...]:
    """`open_mechanism` for each of the method's turns, whose updates may differ in size. Raises: as there."""
    return tuple(
        open_mechanism(plan, dimension=spec.update_dimension(turn), released=released, state_file=state_file)
        for turn in range(1, plan.adapter.federation.turns + 1)
    )


def _sum(updates: Iterable[NDArray[np.float32]], summed: IntegerSum) -> IntegerSum:
    for update in updates:
        summed.add(update)
    return summed
