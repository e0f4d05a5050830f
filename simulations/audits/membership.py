"""(c) Whose pairs trained? Membership inference on preference pairs (PREMIA, Feng et al., 2024, arXiv:2407.06443).

An attacker who has the released adapter and the base model scores a pair by how much more likely training made the
chosen reply, how much less likely the rejected one, or both. Whoever trained is compared with strangers: users of the
same kind, drawn as they were, who were never in the federation. Any other comparison finds differences between people
and calls them leaks. Users are independent of each other and one user's pairs are not: a bound counts a user once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from client.pair_scores import score_pairs
from client.update import training_config
from shared.conversation import PreferencePair
from shared.privacy.guarantee import Unit
from simulations.audits.audited_run import AuditedRun
from simulations.audits.confidence import FAMILY_WISE, share_of_error
from simulations.audits.registry import AuditSettings, NotApplicableError, Progress
from simulations.audits.result import AuditResult, Figure
from simulations.audits.roc import (
    auc,
    auc_at_least,
    clopper_pearson,
    epsilon_of_auc,
    epsilon_of_rates,
    most_auc,
    most_true_positives,
    true_positives_at,
)
from simulations.evaluation.cold_start import trained_users
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.protocol import Population
from simulations.population.recorded import RecordedPopulation
from simulations.run.data import load_population

Figures = NDArray[np.float64]
SCORES = ("chosen", "rejected", "pair")
_UNITS: tuple[Unit, ...] = ("user", "pair")
_AT_ONCE = 50
_RATE = 0.01
_QUANTILES = np.linspace(0.01, 0.99, 50)  # at which thresholds are tried
_LAX = 0.3  # error of the bounds by which one of them is chosen
_RESAMPLES = 1000
_TESTS = len(_UNITS) * (1 + len(SCORES))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Scores of some users' pairs, by name: higher where the pair seems to have trained.

    Attributes:
        values: name → (pairs,).
        users: (pairs,) whose each is.
    """

    values: Mapping[str, Figures]
    users: NDArray[np.int64]

    def of_users(self, name: str) -> Figures:
        """(users,) the mean over each user's pairs."""
        _, where = np.unique(self.users, return_inverse=True)
        return np.bincount(where, weights=self.values[name]) / np.bincount(where)

    def one_of_each(self, name: str, *, seed: int) -> Figures:
        """(users,) the score of one pair of each user, drawn: the same pairs for every name."""
        generator = np.random.default_rng(seed)
        order = generator.permutation(self.users.size)
        _, first = np.unique(self.users[order], return_index=True)
        return np.asarray(self.values[name][order[first]])


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """Audits the last release.

    Raises:
        NotApplicableError: nobody knows strangers of the same kind.
    """
    population, members, strangers = _people(run)
    most = settings.canaries or settings.sizes.membership_pairs
    generator = np.random.default_rng(settings.seed)
    config = training_config(run.plan)
    sides: list[Scored] = []
    for place, (people, of) in enumerate(((members, run.population), (strangers, population))):
        pairs = _some_pairs(of, people, most=most, generator=generator)
        scores: dict[str, list[Figures]] = {name: [] for name in SCORES}
        for start in range(0, len(pairs), _AT_ONCE):
            some = [pair for _, pair in pairs[start : start + _AT_ONCE]]
            found = score_pairs(run.adapted, run.release, some, config)
            chosen = (found.policy.chosen - found.reference.chosen).detach().cpu().double().numpy()
            rejected = (found.policy.rejected - found.reference.rejected).detach().cpu().double().numpy()
            for name, value in zip(SCORES, (chosen, -rejected, chosen - rejected), strict=True):
                scores[name].append(value)
            done = (start + len(some)) / len(pairs)
            progress((place + done) / 2, f"{start + len(some)} of {len(pairs)} pairs scored")
        users = np.array([user for user, _ in pairs], dtype=np.int64)
        sides.append(Scored(values={name: np.concatenate(parts) for name, parts in scores.items()}, users=users))
    return judge_membership(run, *sides, seed=settings.seed)


def judge_membership(run: AuditedRun, inside: Scored, outside: Scored, *, seed: int) -> Sequence[AuditResult]:
    """What the scores come to, for each unit that the run promises something; for pairs, if it promises nothing.

    A promise to a user covers each of the user's pairs.
    """
    claims = {unit: run.claim(unit) for unit in _UNITS}
    promised = [(unit, claim) for unit, claim in claims.items() if claim is not None]
    if not promised:
        return [_result("pair", None, run.plan.delta, inside, outside, seed=seed)]
    return [
        _result(unit, claim.epsilon_model_observer, claim.delta, inside, outside, seed=seed) for unit, claim in promised
    ]


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Attributes:
    bound: ε that is ruled out.
    areas: name → area under the curve.
    score: that the threshold was chosen for, on one half of the people; the other half gave these:
    found, wrong: hits and trials of those who were there, and of those who were not.
    """

    bound: float
    areas: Mapping[str, float]
    score: str
    found: tuple[int, int]
    wrong: tuple[int, int]


def find_leak(inside: Mapping[str, Figures], outside: Mapping[str, Figures], *, delta: float, seed: int) -> Leak:
    """The best bound on ε that independent scores give: of a threshold on the best score, and of each score's area.

    Args:
        inside, outside: name → scores of people who are independent of each other; at least four on either side.
    """
    error = share_of_error(_TESTS)
    generator = np.random.default_rng(seed)
    first = next(iter(inside))
    halves = [np.array_split(generator.permutation(len(side[first])), 2) for side in (inside, outside)]
    (learn_in, test_in), (learn_out, test_out) = halves
    best = (-1.0, first, 0.0)
    for name in inside:
        members, others = inside[name][learn_in], outside[name][learn_out]
        for threshold in np.unique(np.quantile(np.concatenate([members, others]), _QUANTILES)):
            bound = _rates_bound(members, others, float(threshold), delta=delta, error=_LAX)
            if bound > best[0]:
                best = (bound, name, float(threshold))
    _, score, threshold = best
    members, others = inside[score][test_in], outside[score][test_out]
    bounds = [_rates_bound(members, others, threshold, delta=delta, error=error)]
    bounds += [epsilon_of_auc(auc_at_least(inside[name], outside[name], error=error), delta=delta) for name in inside]
    return Leak(
        bound=max(bounds),
        areas={name: auc(inside[name], outside[name]) for name in inside},
        score=score,
        found=(int((members > threshold).sum()), members.size),
        wrong=(int((others > threshold).sum()), others.size),
    )


def _rates_bound(members: Figures, others: Figures, threshold: float, *, delta: float, error: float) -> float:
    return epsilon_of_rates(
        (int((members > threshold).sum()), members.size),
        (int((others > threshold).sum()), others.size),
        delta=delta,
        error=error,
    )


def _result(
    unit: Unit,
    claim: float | None,
    delta: float,
    inside: Scored,
    outside: Scored,
    *,
    seed: int,
) -> AuditResult:
    def independent(side: Scored) -> dict[str, Figures]:
        if unit == "user":
            return {name: side.of_users(name) for name in SCORES}
        return {name: side.one_of_each(name, seed=seed) for name in SCORES}

    leak = find_leak(independent(inside), independent(outside), delta=delta, seed=seed)
    figures: dict[str, Figure] = {
        "members": len(np.unique(inside.users)),
        "strangers": len(np.unique(outside.users)),
        "pairs_of_members": inside.users.size,
        "pairs_of_strangers": outside.users.size,
        "threshold_score": leak.score,
        "true_positives": list(leak.found),
        "false_positives": list(leak.wrong),
        "auc_ceiling": None if claim is None else most_auc(epsilon=claim, delta=delta),
        "tpr_at_1_percent_ceiling": None
        if claim is None
        else float(most_true_positives(_RATE, epsilon=claim, delta=delta)),
    }
    for name in SCORES:
        figures[name] = {
            "auc": leak.areas[name],
            "auc_of_all_pairs": auc(inside.values[name], outside.values[name]),
            "auc_of_all_pairs_ci95": list(_interval(inside, outside, name, seed=seed)),
            **_at_one_percent(independent(inside)[name], independent(outside)[name]),
        }
    return AuditResult(
        name="membership",
        unit=unit,
        observer="has the last released adapter and the base model, and asks whether "
        + ("a user's pairs trained" if unit == "user" else "one pair trained"),
        claim=claim,
        delta=delta,
        lower_bound=leak.bound,
        estimate=None,
        confidence=FAMILY_WISE,
        canaries=None,
        verdict="measured" if claim is None else "violated" if leak.bound > claim else "holds",
        figures=figures,
        method="log-probability ratios to the base model (PREMIA, Feng et al., 2024); Clopper and Pearson's bounds on "
        "a threshold chosen on half of the users, and Hoeffding's on the areas under the curves",
        limits="one run, and real pairs, which need not be the worst case: what is not found may still be there; "
        "members and strangers are taken for exchangeable, as the population draws them; an attacker with shadow "
        "models of each pair (LiRA) would find more",
    )


def _people(run: AuditedRun) -> tuple[Population, Sequence[int], Sequence[int]]:
    """The population of strangers, the members' places in the run's, and the strangers' places in theirs."""
    population = run.population
    members = trained_users(run.plan, most=len(population))
    if isinstance(population, EmbeddedPopulation):
        wider = replace(population, users=2 * len(population))
        return wider, members, range(len(population), len(wider))
    if not isinstance(population, RecordedPopulation):
        raise NotApplicableError(
            "pairs that devices made of their own users' conversations have no strangers' to compare"
        )
    whole, _ = load_population(replace(run.config.data, users=None))
    trained = set(population.user_ids)
    if not isinstance(whole, RecordedPopulation) or len(trained) == len(whole):
        raise NotApplicableError("every user of the data is in the federation: leave some out (data.users)")
    return whole, members, [place for place, user in enumerate(whole.user_ids) if user not in trained]


def _some_pairs(
    population: Population, people: Sequence[int], *, most: int, generator: np.random.Generator
) -> list[tuple[int, PreferencePair]]:
    """(user, pair) of people in a random order until there are enough; all pairs of each."""
    found: list[tuple[int, PreferencePair]] = []
    for place in generator.permutation(len(people)):
        user = people[int(place)]
        found += [(user, pair) for pair in population.pairs(user)]
        if len(found) >= most:
            break
    if len({user for user, _ in found}) < 4:
        raise NotApplicableError("there are fewer than four users with pairs to compare")
    return found


def _at_one_percent(inside: Figures, outside: Figures) -> dict[str, Figure]:
    hits, wrong = true_positives_at(inside, outside, rate=_RATE)
    low, high = clopper_pearson(hits, inside.size, error=0.025)
    return {
        "tpr_at_1_percent": hits / inside.size,
        "tpr_at_1_percent_ci95": [low, high],
        "false_positives_there": wrong / outside.size,
    }


def _interval(inside: Scored, outside: Scored, name: str, *, seed: int) -> tuple[float, float]:
    """95 % of the area over all pairs, by drawing users with all their pairs anew."""
    generator = np.random.default_rng(seed)
    drawn: list[float] = []
    sides = [_by_user(side, name) for side in (inside, outside)]
    for _ in range(_RESAMPLES):
        first, second = (
            np.concatenate([side[int(place)] for place in generator.integers(len(side), size=len(side))])
            for side in sides
        )
        drawn.append(auc(first, second))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def _by_user(side: Scored, name: str) -> list[Figures]:
    return [side.values[name][side.users == user] for user in np.unique(side.users)]
