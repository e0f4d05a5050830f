"""Audit (f): what the server sees. A small federation of the run's plan, every message of it recorded and searched.

Three kinds of device take part, and the server must not tell them apart by what it is sent: some hold nothing, some
one pair, and some many. All hold a marker that must not leave, in persona, request and reply.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from shared.conversation import Message, PreferencePair
from shared.language_model import LanguageModel
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
from simulations.audits.registry import AuditSettings, Progress
from simulations.audits.result import AuditResult, Figure
from simulations.audits.transcript_recording import Recorded, Transcript
from simulations.audits.transcript_reveals import VISIBLE, allowed
from simulations.audits.transcript_search import encodings_of, found_in
from simulations.audits.transcript_statistics import (
    chance_of,
    entropy,
    least_of,
    likeness,
    likeness_unmasked,
    uniformity,
)
from simulations.engines.inline import run_inline
from simulations.population.protocol import Population

MARKER = "zanzibarquokka"
COHORT = 12
_ROUNDS = 2
_MANY = 4
_KINDS = ("nothing", "one pair", "many pairs")
_NAME = "transcript"
_LEVEL = 0.001
_STAGES = ("train", "share", "mask", "confirm", "reveal")

_Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, repr=False)
class MarkedPopulation:
    """Devices with nothing, one pair and many, in turn, each pair marked. Implements
    `simulations.population.protocol.Population`."""

    population: Population
    devices: int

    @property
    def name(self) -> str:
        return self.population.name

    def __len__(self) -> int:
        return self.devices

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The marked pairs of device `index`."""
        wanted = (0, 1, _MANY)[index % len(_KINDS)]
        found: list[PreferencePair] = []
        place = index
        while len(found) < wanted:
            found += [marked(pair) for pair in self.population.pairs(place % len(self.population))]
            place += 1
        return tuple(found[:wanted])


def marked(pair: PreferencePair) -> PreferencePair:
    """The pair with the marker in persona, request and chosen reply."""
    *before, last = pair.prompt
    first, *after = pair.chosen
    return replace(
        pair,
        persona=f"{pair.persona or ''} Is called {MARKER}.".strip(),
        prompt=(*before, Message(role=last.role, content=f"{last.content} I am {MARKER}.")),
        chosen=(Message(role=first.role, content=f"{MARKER}, {first.content}"), *after),
    )


def small_plan(plan: FederationPlan) -> FederationPlan:
    """The plan with few devices, each asked once a cohort, and the same noise and masks."""
    cohort = COHORT
    user = plan.user_privacy
    if user is not None and user.cohort_limit is not None:
        user = replace(user, cohort_limit=None)
    return replace(
        plan,
        rounds=_ROUNDS,
        cohort_size=cohort,
        devices=_ROUNDS * cohort,
        sampling="random" if plan.sampling == "random" else "schedule",
        user_privacy=user,
        minimum_replies=1,
        attempts=1,
    )


def record(plan: FederationPlan, population: Population) -> Transcript:
    """Runs a plan, and keeps every message."""
    transcript = Transcript()
    with TemporaryDirectory(prefix="tacit-transcript-") as kept:
        run_inline(plan, population, directory=Path(kept), processes=0, tamper=transcript.record)
    return transcript


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """One result."""
    plan = small_plan(run.plan)
    population = MarkedPopulation(population=run.population, devices=plan.devices)
    progress(0.05, "recording a federation")
    transcript = record(plan, population)
    progress(0.6, "reading it")
    figures: dict[str, Figure] = {
        "federation": f"{plan.rounds} rounds of {plan.cohort_size} of {plan.devices} devices",
        "messages": len(transcript.messages),
        "bytes": sum(one.packet.size for one in transcript.messages),
    }
    broken = [*read_fields(transcript, plan, figures), *read_sizes(transcript, plan, figures)]
    broken += read_markers(transcript, run.adapted.language_model, figures)
    figures["visible_all_the_same"] = list(VISIBLE)
    figures["seconds_to_reply"] = _timing(transcript)
    if plan.secure_aggregation is not None:
        clear = _clear_updates(transcript, run, plan, population)
        progress(0.8, "looking through masks")
        broken += read_masks(transcript, clear, figures, seed=settings.seed)
        _read_sum(transcript, run, plan, clear, figures)
    figures["broken"] = list(broken)
    promises = plan.is_private
    run.adapted.load(run.adapted.beginning())
    return (
        AuditResult(
            name=_NAME, unit=None, claim=None, delta=None, lower_bound=None, estimate=None, confidence=1 - _LEVEL,
            canaries=sum(len(population.pairs(index)) > 0 for index in range(plan.devices)),
            verdict="violated" if broken else "holds" if promises else "measured",
            figures=figures,
            observer="the server, honest but curious, with every byte that devices send and all that it was told",
            method="every message between both recorded as Flower serialises it; fields against the list of what may "
            "be sent; sizes by how much data a device holds; markers in 20 and more encodings; masked vectors by "
            "chi-square and Kolmogorov-Smirnov, and against each device's own update; the same tests on vectors "
            "without masks are the control",
            limits="No network: addresses, TLS and real timing are not seen. A server that deviates from the protocol "
            "is the business of the protocol's own tests. That masks look uniform is what AES must give and no proof.",
        ),
    )  # fmt: skip


def read_fields(transcript: Transcript, plan: FederationPlan, figures: dict[str, Figure]) -> list[str]:
    """Each field that devices sent, and what it reveals; those that may not be sent are returned."""
    may = allowed(secure=plan.secure_aggregation is not None, private=plan.is_private)
    found: dict[str, dict[str, Figure]] = {}
    values: dict[str, set[str]] = {}
    broken = []
    for one in transcript.messages:
        if one.direction == "down":
            continue
        for part in one.fields():
            name = f"{one.stage}: {part.name}" if part.name == "stage-reply.body" else part.name
            if name not in may and name not in found:
                broken.append(f"the field {name} is sent, and may not be")
            row = found.setdefault(name, {"type": part.kind, "reveals": may.get(name, "UNKNOWN"), "bytes": []})
            sizes = row["bytes"]
            if isinstance(sizes, list) and part.size not in sizes:
                sizes.append(part.size)
            if part.name.endswith(".status"):
                record_name, key = part.name.split(".")
                values.setdefault(part.name, set()).add(str(one.content[record_name][key]))
    for name, said in values.items():
        found[name]["values"] = [*sorted(said)]
        if plan.is_private and len(said) > 1:
            broken.append(f"{name} differs between devices")
    figures["fields_sent_up"] = {name: found[name] for name in sorted(found)}
    return broken


def read_sizes(transcript: Transcript, plan: FederationPlan, figures: dict[str, Figure]) -> list[str]:
    """Sizes by stage and by how much a device holds: they may not differ."""
    broken = []
    table: dict[str, Figure] = {}
    for stage in _STAGES:
        by_kind: dict[str, list[int]] = {}
        for one in transcript.messages:
            if one.direction == "up" and one.stage == stage:
                size = sum(part.size for part in one.fields())
                by_kind.setdefault(_KINDS[one.device % len(_KINDS)], []).append(size)
        if not by_kind:
            continue
        shown: dict[str, Figure] = {kind: [*sorted(set(sizes))] for kind, sizes in by_kind.items()}
        table[stage] = shown
        if plan.is_private and len({tuple(sorted(set(sizes))) for sizes in by_kind.values()}) > 1:
            broken.append(f"sizes at stage {stage} depend on what a device holds")
    figures["content_bytes_by_what_a_device_holds"] = table
    return broken


def read_markers(transcript: Transcript, model: LanguageModel, figures: dict[str, Figure]) -> list[str]:
    """Where the marker was found, either way, in whatever encoding."""
    ids = model.tokenizer.encode(f" {MARKER}", add_special_tokens=False)
    encodings = encodings_of(MARKER, ids)
    hits = sorted({
        f"{one.direction}, {one.stage}: {name}" for one in transcript.messages for name in found_in(one.wire, encodings)
    })  # fmt: skip
    planted = b"".join(b"\0" + wanted + b"\0" for wanted in encodings.values())
    figures["markers"] = {
        "encodings_searched": len(encodings),
        "found": [*hits],
        "control_found": len(found_in(planted, encodings)),
    }
    return [f"a marker was found ({hit})" for hit in hits]


def _timing(transcript: Transcript) -> dict[str, Figure]:
    """What the time to a reply tells of how much a device holds. The first reply also loads the model."""
    replies = [one for one in transcript.messages if one.direction == "up" and one.stage == "train"][1:]
    by_kind = {kind: [one.seconds for one in replies if _KINDS[one.device % 3] == kind] for kind in _KINDS}
    figures: dict[str, Figure] = {kind: float(np.median(seconds)) for kind, seconds in by_kind.items() if seconds}
    some = np.array([*by_kind["nothing"], *by_kind["many pairs"]])
    has = np.array([False] * len(by_kind["nothing"]) + [True] * len(by_kind["many pairs"]))
    if has.any() and not has.all():
        figures["auc_of_nothing_against_many"] = area_under_curve(some, has)
    figures["covered_by_any_promise"] = False
    return figures


@dataclass(frozen=True, kw_only=True, eq=False)
class _Clear:
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


def _clear_updates(
    transcript: Transcript, run: AuditedRun, plan: FederationPlan, population: Population
) -> Mapping[tuple[int, int], _Clear]:
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
        found[request.round_number, request.device] = _Clear(
            request=request, update=update, encoding=encoding, bits=terms.bits, dimension=terms.dimension
        )
    return found


def read_masks(
    transcript: Transcript, clear: Mapping[tuple[int, int], _Clear], figures: dict[str, Figure],
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
        if chance < _LEVEL / 3
    ]  # fmt: skip
    if max(control_uniform, control_alike) >= _LEVEL:
        broken.append("the tests of masks did not see vectors without masks: they show nothing")
    return broken


def clear_bits(clear: Mapping[tuple[int, int], _Clear]) -> int:
    """Of the modulus, which is the same in all sessions of one size."""
    return max(one.bits for one in clear.values())


def _read_sum(
    transcript: Transcript, run: AuditedRun, plan: FederationPlan, clear: Mapping[tuple[int, int], _Clear],
    figures: dict[str, Figure],
) -> None:  # fmt: skip
    """What the first round's sum says of those who were in it, beside those who were in the second's."""
    spec, terms = run.adapted.spec, plan.step_terms
    if not spec.config.federation.sums or terms.optimizer != "sgd" or spec.config.federation.turns > 1:
        return
    first, second = ([one for (number, _), one in clear.items() if number == wanted] for wanted in (1, 2))
    moved = spec.restrict(second[0].request.vector.astype(np.float64) - first[0].request.vector, 1)
    summed = len(_masked(transcript, 1))
    std = first[0].encoding.noise_std(summed)
    expected = math.inf if std == 0 else plan.clipping_norm / std
    inside, outside = (
        [float(moved @ one.update) / float(np.linalg.norm(one.update)) for one in group if one.update.any()]
        for group in (first, second)
    )
    length = float(np.linalg.norm(moved))
    figures["sum_of_round_1"] = {
        "devices": summed,
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
