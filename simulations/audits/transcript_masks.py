"""What masked vectors and their sum say of the updates in them, measured against the updates themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.messages import TrainRequest
from shared.plan_sessions import session_of
from shared.privacy.clipping import clip_to_norm
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan
from shared.secagg.modulus import to_modulus, unpack
from shared.secagg.sum_encoding import SumEncoding
from simulations.audits.audited_run import AuditedRun
from simulations.audits.inversion_sights import device_update
from simulations.audits.inversion_victims import area_under_curve
from simulations.audits.result import Figure
from simulations.audits.transcript_recording import Recorded, Transcript
from simulations.audits.transcript_statistics import (
    chance_of,
    entropy,
    least_of,
    likeness,
    likeness_unmasked,
    uniformity,
)
from simulations.population.protocol import Population

LEVEL = 0.001

_Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Clear:
    """What a device had to hide.

    Attributes:
        request: that it got.
        update: (d,) clipped; zero of a device that holds nothing.
        encoding, bits, dimension: of its session.
    """

    request: TrainRequest
    update: NDArray[np.float32]
    encoding: SumEncoding
    bits: int
    dimension: int

    def scaled(self) -> _Vector:
        """(D,) the update on the grid, before rounding and noise."""
        turned = self.update if self.encoding.rotation is None else self.encoding.rotation.rotate(self.update)
        return np.asarray(turned, dtype=np.float64) / self.unit

    @property
    def unit(self) -> float:
        """Of the grid, in the update's."""
        return self.encoding.clipping_norm / self.encoding.grid.scale


def clear_updates(
    transcript: Transcript, run: AuditedRun, plan: FederationPlan, population: Population
) -> Mapping[tuple[int, int], Clear]:
    """(round, device) → what it had to hide: trained again from the request that it got."""
    found = {}
    for one in transcript.messages:
        if one.direction != "down" or one.stage != "train":
            continue
        request = TrainRequest.from_record(one.content)
        dimension = run.adapted.spec.update_dimension(request.round_number)
        update = np.zeros(dimension, dtype=np.float32)
        pairs = population.pairs(request.device)
        if pairs:
            trained = device_update(
                run.adapted, plan, request.vector, pairs, round_number=request.round_number,
                seed=int(request.digest()[:12], 16),
            )  # fmt: skip
            update = clip_to_norm(trained, plan.clipping_norm)
        terms, encoding = session_of(request, dimension=dimension)
        found[request.round_number, request.device] = Clear(
            request=request, update=update, encoding=encoding, bits=terms.bits, dimension=terms.dimension
        )
    return found


def read_masks(
    transcript: Transcript, clear: Mapping[tuple[int, int], Clear], figures: dict[str, Figure],
    *, seed: int,
) -> list[str]:  # fmt: skip
    """Masked vectors against chance; and the same vectors without masks, which must be told from it."""
    source = AesCtrNoise(np.random.default_rng(seed).bytes(32))
    chances, normals, bits_a_byte = [], [], []
    control_chances, control_normals, without_masks = [], [], []
    vectors: dict[int, NDArray[np.uint32]] = {}
    for one in _masked(transcript):
        known = clear[one.round_number, one.device]
        vector = unpack(one.body(), dimension=known.dimension, bits=known.bits)
        vectors.setdefault(one.device, vector)
        chances.append(uniformity(vector, known.bits))
        bits_a_byte.append(entropy(vector, known.bits))
        bare = known.encoding.encode(known.update, source)
        control_chances.append(uniformity(bare, known.bits))
        if known.update.any():
            normals.append(likeness(vector, known.scaled(), known.bits))
            without_masks.append(likeness_unmasked(bare, known.scaled(), known.bits))
            plain = to_modulus(known.encoding.grid.encode(known.scaled() * known.unit, source), known.bits)
            control_normals.append(likeness_unmasked(plain, known.scaled(), known.bits))
    between = [
        likeness(one, _centred(other), bits)
        for (first, one) in vectors.items()
        for (second, other) in vectors.items()
        if first < second and one.size == other.size
        for bits in [clear_bits(clear)]
    ]
    uniform, alike, pairwise = least_of(chances), chance_of(normals), chance_of(between)
    control_uniform, control_alike = max(control_chances), chance_of(control_normals)
    figures["masked_vectors"] = {
        "vectors": len(chances),
        "bits_a_number": clear_bits(clear),
        "entropy_bits_a_byte": float(np.mean(bits_a_byte)),
        "p_uniform": uniform,
        "p_unlike_the_own_update": alike,
        "largest_likeness": float(np.abs(normals).max()),
        "p_unlike_each_other": pairwise,
        "control_without_masks_p_uniform": control_uniform,
        "without_masks_p_unlike_the_own_update": chance_of(without_masks),
        "control_without_masks_and_noise_p_unlike": control_alike,
    }
    broken = [
        f"masked vectors: {what} (p = {chance:.1g})"
        for what, chance in (
            ("not uniform", uniform), ("like the device's own update", alike), ("like each other", pairwise),
        )
        if chance < LEVEL / 3
    ]  # fmt: skip
    if max(control_uniform, control_alike) >= LEVEL:
        broken.append("the tests of masks did not see vectors without masks: they show nothing")
    return broken


def clear_bits(clear: Mapping[tuple[int, int], Clear]) -> int:
    """Of the modulus, which is the same in all sessions of one size."""
    return max(one.bits for one in clear.values())


def read_sum(
    transcript: Transcript, run: AuditedRun, plan: FederationPlan, population: Population,
    clear: Mapping[tuple[int, int], Clear], figures: dict[str, Figure],
) -> None:  # fmt: skip
    """What the first round's sum says of those who were in it, beside those who were in the second's."""
    spec, terms = run.adapted.spec, plan.step_terms
    if not spec.config.federation.sums or terms.optimizer != "sgd" or spec.config.federation.turns > 1:
        return
    first, second = ([one for (number, _), one in clear.items() if number == wanted] for wanted in (1, 2))
    # What the others would have sent in the same round: from the second's adapter they would differ for another reason.
    absent = [
        device_update(run.adapted, plan, first[0].request.vector, pairs, round_number=1, seed=0)
        for one in second
        if one.request.device not in {inside.request.device for inside in first}
        and (pairs := population.pairs(one.request.device))
    ]
    moved = spec.restrict(second[0].request.vector.astype(np.float64) - first[0].request.vector, 1)
    summed = len(_masked(transcript, 1))
    std = first[0].encoding.noise_std(summed)
    expected = math.inf if std == 0 else plan.clipping_norm / std
    present = [one.update for one in first if one.update.any()]
    inside, outside = (
        [float(moved @ update) / float(np.linalg.norm(update)) for update in group] for group in (present, absent)
    )
    if not inside or not outside:
        return
    length = float(np.linalg.norm(moved))
    figures["sum_of_round_1"] = {
        "devices": summed,
        "compared": f"{len(inside)} in it with data, {len(outside)} not in it",
        "noise_std_over_clipping_norm": std / plan.clipping_norm,
        "one_device_in_standard_deviations_of_noise": expected if math.isfinite(expected) else None,
        "cosine_with_those_in_it": float(np.mean(inside)) / length,
        "cosine_with_others": float(np.mean(outside)) / length,
        "auc_in_it_or_not": area_under_curve(
            np.array([*inside, *outside]), np.array([True] * len(inside) + [False] * len(outside))
        ),
        "bounded_by": "the run's ε, which is what `canaries` and `one-run` audit",
    }


def _masked(transcript: Transcript, round_number: int | None = None) -> list[Recorded]:
    return [
        one
        for one in transcript.messages
        if one.direction == "up" and one.stage == "mask" and round_number in (None, one.round_number)
        and str(one.content["stage-reply"]["status"]) == "answered"
    ]  # fmt: skip


def _centred(vector: NDArray[np.uint32]) -> _Vector:
    values = vector.astype(np.float64)
    return np.asarray(values - values.mean())
