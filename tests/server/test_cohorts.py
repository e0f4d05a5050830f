from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from flwr.serverapp.exception import PrivacyBudgetExhausted
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from server.cohorts import Cohorts, PoissonCohorts, RandomCohorts, ScheduledCohorts
from server.roster import Roster, RosterError
from shared.plan_terms import UserPrivacyTerms
from shared.round_plan import FederationPlan


def _roster(devices: int, first_node: int = 1000) -> Roster:
    return Roster(devices=range(devices), nodes=range(first_node, first_node + devices))


def _random(plan: FederationPlan, roster: Roster, *, number: int = 1, attempt: int = 1) -> list[int]:
    return RandomCohorts(plan).draw(roster, round_number=number, attempt=attempt, place=0)


def _walk(cohorts: Cohorts, devices: int, requests: int) -> list[list[int]]:
    return [cohorts.draw(_roster(devices), round_number=place + 1, attempt=1, place=place) for place in range(requests)]


def test_random_cohorts_are_drawn_by_number_and_seed() -> None:
    plan, roster = FederationPlan(cohort_size=10), _roster(100)
    first = _random(plan, roster)

    assert first == _random(plan, _roster(100, first_node=5000))
    assert first == sorted(set(first))
    assert len(first) == 10
    others = [
        _random(replace(plan, seed=1), roster),
        _random(plan, roster, number=2),
        _random(plan, roster, attempt=2),
    ]
    assert first not in others
    assert _random(replace(plan, cohort_size=200), roster) == list(range(100))


def test_every_device_is_as_likely_as_any_other() -> None:
    plan, roster = FederationPlan(cohort_size=5, seed=3), _roster(20)
    counts = np.bincount([device for number in range(1, 2001) for device in _random(plan, roster, number=number)])

    assert abs(counts - 500).max() < 5 * (2000 * 0.25 * 0.75) ** 0.5


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 80), st.integers(0, 5))
def test_a_schedule_asks_nobody_too_often_nor_too_soon(size: int, devices: int, requests: int, seed: int) -> None:
    size = min(size, devices)
    cohorts = ScheduledCohorts(FederationPlan(cohort_size=size, seed=seed), range(devices))
    drawn = _walk(cohorts, devices, requests)

    assert all(len(set(cohort)) == size for cohort in drawn)
    counts = np.bincount([device for cohort in drawn for device in cohort], minlength=devices)
    assert counts.max() <= cohorts.most_participations(requests)
    assert counts.max() - counts.min() <= 1
    for device in range(devices):
        asked = [place for place, cohort in enumerate(drawn) if device in cohort]
        assert all(later - earlier >= devices // size for earlier, later in pairwise(asked))


def _scheduled(**changes: object) -> FederationPlan:
    terms = UserPrivacyTerms(noise_multiplier=1.0, participations=2, separation=3)
    plan = FederationPlan(cohort_size=10, rounds=6, devices=30, sampling="schedule", user_privacy=terms)
    return replace(plan, **changes)  # type: ignore[arg-type]


def test_a_roster_too_small_for_the_plan_is_refused_with_a_way_out() -> None:
    ScheduledCohorts(_scheduled(), range(30))

    with pytest.raises(RosterError, match=r"need 30 devices, and there are 29: fewer rounds"):
        ScheduledCohorts(_scheduled(), range(29))
    with pytest.raises(RosterError, match="cohorts of 10 different devices, and there are 9"):
        ScheduledCohorts(_scheduled(user_privacy=None), range(9))
    apart = UserPrivacyTerms(noise_multiplier=1.0, participations=2, separation=4)
    with pytest.raises(RosterError, match="keeps them 4 apart"):
        ScheduledCohorts(_scheduled(user_privacy=apart), range(30))


def test_rounds_asked_again_do_not_spend_more_than_there_is() -> None:
    cohorts = ScheduledCohorts(_scheduled(), range(30))
    assert len(_walk(cohorts, 30, 6)) == 6

    with pytest.raises(PrivacyBudgetExhausted, match="may take part 2 times"):
        cohorts.draw(_roster(30), round_number=4, attempt=3, place=6)


def test_poisson_cohorts_are_independent_draws_of_a_secret_key() -> None:
    plan = FederationPlan(cohort_size=20, devices=100, sampling="poisson", attempts=1)
    cohorts = PoissonCohorts(plan, range(100), bytes(32))
    drawn = _walk(cohorts, 100, 400)

    sizes = np.array([len(cohort) for cohort in drawn])
    assert abs(sizes.mean() - 20) < 5 * (100 * 0.2 * 0.8 / 400) ** 0.5
    assert 0.75 < sizes.var() / (100 * 0.2 * 0.8) < 1.3  # n without replacement would have no variance at all
    counts = np.bincount([device for cohort in drawn for device in cohort], minlength=100)
    assert min(binomtest(int(count), 400, 0.2).pvalue for count in counts) > 1e-5
    assert drawn == _walk(cohorts, 100, 400)  # asked again after a kill: the same devices
    assert drawn[:5] != _walk(PoissonCohorts(plan, range(100), bytes(31) + b"1"), 100, 5)


def test_capped_poisson_cohorts_are_cut_at_random() -> None:
    terms = UserPrivacyTerms(noise_multiplier=1.0, participations=400, cohort_limit=21)
    plan = FederationPlan(cohort_size=20, devices=100, sampling="poisson", attempts=1, user_privacy=terms)
    drawn = _walk(PoissonCohorts(plan, range(100), bytes(32)), 100, 400)

    assert max(map(len, drawn)) == 21
    counts = np.bincount([device for cohort in drawn for device in cohort], minlength=100)
    assert counts[:50].sum() == pytest.approx(counts[50:].sum(), rel=0.06)


def test_no_device_is_drawn_more_often_than_it_may_answer() -> None:
    terms = UserPrivacyTerms(noise_multiplier=1.0, participations=2)
    plan = FederationPlan(cohort_size=30, devices=60, sampling="poisson", attempts=1, user_privacy=terms)
    cohorts = PoissonCohorts(plan, range(60), bytes(32))
    drawn = _walk(cohorts, 60, 12)
    free = _walk(PoissonCohorts(replace(plan, user_privacy=None), range(60), bytes(32)), 60, 12)

    counts = np.bincount([device for cohort in drawn for device in cohort], minlength=60)
    assert counts.max() == 2
    assert all(set(cohort) <= set(whole) for cohort, whole in zip(drawn, free, strict=True))
    assert drawn[0] == free[0]
    # Asked alone, as by a resumed run, a round has the same cohort.
    assert cohorts.draw(_roster(60), round_number=9, attempt=1, place=8) == drawn[8]
