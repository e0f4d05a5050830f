"""Audit (e): secrets planted in simulated users' personas and replies, looked for in the adapter that all share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np
from numpy.typing import NDArray

from shared.round_plan import FederationPlan
from simulations.audits.audited_run import AuditedRun
from simulations.audits.inversion_victims import interval
from simulations.audits.persona_exposure_ranks import SHOWN, Exposure, Shown, Suspect
from simulations.audits.persona_exposure_runs import Plant, PlantedPopulation, release_of, shadow_plan
from simulations.audits.persona_exposure_secrets import secret_space
from simulations.audits.registry import AuditSettings, NotApplicableError, Progress
from simulations.audits.result import AuditResult, Figure, Verdict

_TOP = 0.125
_NAME = "persona"
_LENGTH = 3


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Attributes:
    name: in tables.
    plan: of the shadow run.
    repeats: devices that each secret is told to.
    """

    name: str
    plan: FederationPlan
    repeats: int = 1


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """(suspects,) by whose persona is shown: bits of exposure, and whether the secret could be asked out."""

    bits: Mapping[Shown, NDArray[np.float64]]
    said: Mapping[Shown, NDArray[np.bool_]]


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """One result a condition: the plan without privacy, the plan, and the control that must leak.

    Raises:
        NotApplicableError: too few devices to plant in.
    """
    plan, sizes = run.plan, settings.sizes
    conditions = [Condition(name="no privacy", plan=shadow_plan(plan, private=False, sizes=sizes))]
    if plan.is_private and (plan.user_privacy is not None or plan.pair_privacy is not None):
        conditions.append(Condition(name="as the run", plan=shadow_plan(plan, private=True, sizes=sizes)))
    devices = conditions[0].plan.devices
    each = min(settings.canaries or sizes.persona_secrets, devices // 3)
    if each < 2:
        raise NotApplicableError(f"a shadow of this run has {devices} devices: too few to plant secrets in")
    control = Condition(name="control", plan=conditions[0].plan, repeats=max(2, devices // 4))
    rng = Random(f"tacit persona {settings.seed}")
    space = secret_space(run.adapted.language_model.tokenizer, length=_LENGTH)
    secrets = space.draw(rng, 3 * each + sizes.persona_lures)
    personas = _personas(run, 3 * each)
    suspects = [
        Suspect(secret=secret, persona=personas[place], other=personas[(place + each + 1) % len(personas)])
        for place, secret in enumerate(secrets[: 3 * each])
    ]
    exposure = Exposure(run.adapted, suspects, secrets[3 * each :])
    found = []
    # Secrets: in replies, in personas alone, and held out.
    for number, condition in enumerate((*conditions, control)):
        share = number / (len(conditions) + 1)
        plants = planted(secrets, each, condition)
        measured = measure_exposure(
            run, exposure, PlantedPopulation(population=run.population, devices=devices, plants=plants), condition.plan,
            settings=settings,
            progress=partial(_part, progress, share, len(conditions) + 1, f"secrets: {condition.name}"),
        )  # fmt: skip
        found.append(_result(run, condition, measured, exposure, each=each, bits=space.bits, settings=settings))
    run.adapted.load(run.adapted.beginning())
    return found


def _part(progress: Progress, begun: float, parts: int, note: str, done: float) -> None:
    progress(begun + done / parts, note)


def planted(secrets: Sequence[str], each: int, condition: Condition) -> dict[int, Plant]:
    """Who knows what. The control tells two secrets, the first in replies, to many; the rest is as held out."""
    if condition.repeats > 1:
        return {
            device: Plant(secret=secrets[device % 2], place="reply")
            for device in range(min(2 * condition.repeats, condition.plan.devices))
        }
    return {
        place: Plant(secret=secret, place="reply" if place < each else "persona")
        for place, secret in enumerate(secrets[: 2 * each])
    }


def measure_exposure(
    run: AuditedRun, exposure: Exposure, population: PlantedPopulation, plan: FederationPlan, *,
    settings: AuditSettings, progress: Callable[[float], None],
) -> Exposed:  # fmt: skip
    """Trains a shadow, and looks for every suspect's secret in what it releases."""
    done = 0

    def answered() -> None:
        nonlocal done
        done += 1
        progress(min(0.6, 0.6 * done / (plan.rounds * plan.cohort_size + plan.devices)))

    vector = release_of(plan, population, run.adapted, answered=answered)
    bits: dict[Shown, NDArray[np.float64]] = {}
    said: dict[Shown, NDArray[np.bool_]] = {}
    for place, shown in enumerate(SHOWN):
        bits[shown] = exposure.bits(vector, shown)
        said[shown] = exposure.extracted(vector, shown, samples=settings.sizes.persona_samples, seed=settings.seed)
        progress(0.6 + 0.4 * (place + 1) / len(SHOWN))
    return Exposed(bits=bits, said=said)


def _personas(run: AuditedRun, count: int) -> list[str | None]:
    """Of so many devices, from the first on: the first are the planted ones' own."""
    population = run.population
    found = []
    for index in range(count):
        pairs = population.pairs(index % len(population))
        found.append(pairs[0].persona if pairs else None)
    return found


def _result(
    run: AuditedRun, condition: Condition, measured: Exposed, exposure: Exposure, *, each: int, bits: float,
    settings: AuditSettings,
) -> AuditResult:  # fmt: skip
    control, seed, sizes = condition.repeats > 1, settings.seed, settings.sizes
    told = {"told to many": slice(0, 2)} if control else {
        "in a reply": slice(0, each), "in a persona alone": slice(each, 2 * each),
    }  # fmt: skip
    figures: dict[str, Figure] = {
        "condition": condition.name,
        "shadow": f"{condition.plan.rounds} rounds of {condition.plan.cohort_size} of {condition.plan.devices} devices",
        "devices_told_each_secret": condition.repeats,
        "bits_of_a_secret": bits,
        "most_bits_measurable": exposure.most,
        "bits_by_chance": _chance(sizes.persona_lures + 1),
    }
    claim = None if condition.name != "as the run" else run.claim("user")
    ceiling = None if claim is None else min(1.0, math.exp(min(claim.epsilon_server, 50.0)) * _TOP + claim.delta)
    broken = False
    for shown in SHOWN:
        held_out = measured.bits[shown][2 * each :]
        rows: dict[str, Figure] = {}
        for name, part in {**told, "held out": slice(2 * each, 3 * each)}.items():
            values, said = measured.bits[shown][part], measured.said[shown][part]
            top = float((values >= -math.log2(_TOP)).mean())
            rows[name] = {
                "secrets": len(values),
                "bits": [*interval(values.tolist(), seed=seed)],
                "bits_above_held_out": None if name == "held out" else _difference(values, held_out, seed=seed),
                "in_the_top_eighth": top,
                "said_when_asked": int(said.sum()),
            }
            if name in told and ceiling is not None:
                broken |= _lower(int((values >= -math.log2(_TOP)).sum()), len(values)) > ceiling
        figures[f"{shown} persona shown"] = rows
    if ceiling is not None:
        figures["ceiling_of_the_top_eighth"] = ceiling
    verdict: Verdict = "violated" if broken else "holds" if ceiling is not None and ceiling < 1 else "measured"
    return AuditResult(
        name=_NAME, unit=None, claim=None, delta=None, lower_bound=None, estimate=None, confidence=0.95,
        canaries=2 if control else 2 * each, verdict=verdict, figures=figures,
        observer="whoever has the released adapter and the base model, and asks for the secret under the user's "
        "persona (without the secret), none or another's",
        method="exposure (Carlini et al., 2019): rank among "
        f"{sizes.persona_lures} other secrets by how much the adapter raised the likelihood of the reply that gives it "
        f"away; greedy and {sizes.persona_samples} sampled replies; secrets are {_LENGTH} words of one token each; the "
        "same measure of users who "
        "never trained beside it; [mean, low, high] over secrets, 95 %",
        limits="A shadow run: the plan's clipping, step and noise for one device, fewer devices around it, noise added "
        "by the server. Secrets of one run are not independent of each other. The ceiling is (e^ε)/8 + δ: a user-level "
        "ε above 2 allows anything here, so nothing is said to hold.",
    )  # fmt: skip


def _chance(ranks: int) -> float:
    """Mean exposure of a secret whose rank is uniform."""
    return math.log2(ranks) - sum(math.log2(rank) for rank in range(1, ranks + 1)) / ranks


def _difference(values: NDArray[np.float64], others: NDArray[np.float64], *, seed: int) -> list[Figure]:
    """[difference of means, low, high]: both resampled."""
    generator = np.random.default_rng(seed)
    drawn = [
        generator.choice(values, size=len(values)).mean() - generator.choice(others, size=len(others)).mean()
        for _ in range(2000)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [float(values.mean() - others.mean()), float(low), float(high)]


def _lower(hits: int, of: int) -> float:
    """One-sided 99.9 % lower bound of a share (Clopper and Pearson, 1934)."""
    from scipy.stats import beta  # costs a third of a second

    return float(beta.ppf(0.001, hits, of - hits + 1)) if hits else 0.0
