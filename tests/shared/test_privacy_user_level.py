from __future__ import annotations

import math
from dataclasses import replace

import dp_accounting as dpa
import pytest
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

from shared.plan_guarantees import most_participations, plan_guarantees
from shared.plan_terms import UserPrivacyTerms
from shared.privacy.composition import RDP_ORDERS, pld_epsilon, rdp_epsilon, total_epsilon
from shared.privacy.guarantee import NO_AMPLIFICATION
from shared.privacy.user_level import (
    UserLevelRun,
    epsilon_for_everyone,
    epsilon_for_model_observer,
    noise_for,
    noise_for_model_observer,
    user_level_guarantee,
)
from shared.round_plan import FederationPlan


def _run(**changes: object) -> UserLevelRun:
    run = UserLevelRun(mechanism="gaussian", noise_multiplier=1.0, participations=5, releases=50)
    return replace(run, **changes)  # type: ignore[arg-type]


def _poisson(**changes: object) -> UserLevelRun:
    terms = {"participations": 50, "sampling": "poisson", "probability": 0.1, "devices": 1000}
    return _run(**(terms | changes))


@pytest.mark.parametrize(
    ("users", "times", "noise", "epsilon"),
    [
        (1e3, 5, 1.0, 9.25), (1e3, 20, 2.0, 9.25), (1e4, 1, 0.5, 9.34), (1e4, 2, 1.0, 6.11), (1e5, 2, 1.5, 4.34),
        (1e6, 1, 2.0, 2.40),
    ],
)  # fmt: skip
def test_published_values_against_everyone(users: float, times: int, noise: float, epsilon: float) -> None:
    found = epsilon_for_everyone(_run(noise_multiplier=noise, participations=times), delta=users**-1.1)

    assert found == pytest.approx(epsilon, rel=5e-3)


@pytest.mark.parametrize(("times", "noise"), [(1, 0.5), (5, 1.0), (20, 2.0), (3, 3.4)])
def test_three_accountants_agree_about_everyone(times: int, noise: float) -> None:
    run = _run(noise_multiplier=noise, participations=times)
    exact = epsilon_for_everyone(run, delta=1e-5)

    pld = pld_epsilon(run.event_for_everyone(), delta=1e-5)
    rdp = rdp_epsilon(run.event_for_everyone(), delta=1e-5)
    assert exact <= pld + 1e-6
    assert pld <= exact * 1.01
    assert rdp is not None
    assert rdp >= exact


def test_there_is_no_amplification_by_the_number_of_rounds_or_devices_for_everyone() -> None:
    figures = {
        epsilon_for_everyone(run, delta=1e-5)
        for run in (_run(), _run(releases=500), _poisson(participations=5), _poisson(participations=5, probability=0.5))
    }
    assert len(figures) == 1


def test_a_model_observer_is_amplified_only_by_poisson_sampling_that_really_happened() -> None:
    everyone = epsilon_for_everyone(_poisson(), delta=1e-5)
    amplified, counts_on = epsilon_for_model_observer(_poisson(), delta=1e-5)

    assert amplified == pytest.approx(5.15, rel=0.01)  # published for N = 1,000, n = 100, T = 50, z = 1
    assert amplified < everyone
    assert "Poisson" in counts_on
    assert epsilon_for_model_observer(_run(), delta=1e-5) == (
        epsilon_for_everyone(_run(), delta=1e-5),
        NO_AMPLIFICATION,
    )


def test_capped_cohorts_are_accounted_as_what_they_are() -> None:
    whole, _ = epsilon_for_model_observer(_poisson(), delta=1e-5)
    cut, counts_on = epsilon_for_model_observer(_poisson(cohort_limit=130), delta=1e-5)

    assert cut == pytest.approx(6.16, rel=0.01)  # published
    assert cut > whole
    assert "cut to 130" in counts_on


def test_a_cap_that_sampling_may_pass_takes_the_amplification_away() -> None:
    """With P near the expected number, cohorts are no Poisson samples: devices decline."""
    tight = _poisson(participations=9)
    assert tight.chance_of_passing_the_cap() > 1e-3
    assert epsilon_for_model_observer(tight, delta=1e-5)[1] == NO_AMPLIFICATION
    assert _poisson(participations=30).chance_of_passing_the_cap() < 1e-10
    assert epsilon_for_model_observer(_poisson(participations=30), delta=1e-5)[1] != NO_AMPLIFICATION


def test_correlated_noise_is_one_release_whatever_the_rounds() -> None:
    run = _run(mechanism="banded-gaussian", noise_multiplier=3.0)

    assert epsilon_for_everyone(run, delta=1e-5) == epsilon_for_everyone(
        _run(noise_multiplier=3.0, participations=1), delta=1e-5
    )


def test_nothing_asked_is_nothing_spent() -> None:
    assert epsilon_for_everyone(_run(participations=0), delta=1e-5) == 0
    assert epsilon_for_everyone(_run(releases=0), delta=1e-5) == 0
    assert total_epsilon([], delta=1e-5) == 0


@pytest.mark.parametrize(("epsilon", "delta", "times"), [(1.0, 1e4**-1.1, 1), (4.0, 1e3**-1.1, 2), (8.0, 1e-5, 20)])
def test_calibrated_noise_keeps_the_target_and_a_little_less_does_not(epsilon: float, delta: float, times: int) -> None:
    noise = noise_for(epsilon=epsilon, delta=delta, mechanism="gaussian", participations=times)

    assert epsilon_for_everyone(_run(noise_multiplier=noise, participations=times), delta=delta) <= epsilon
    assert epsilon_for_everyone(_run(noise_multiplier=noise * 0.998, participations=times), delta=delta) > epsilon


def test_the_arithmetic_of_the_issue() -> None:
    assert noise_for(epsilon=1.0, delta=1e4**-1.1, mechanism="gaussian", participations=1) == pytest.approx(
        3.41, abs=0.01
    )


def test_calibration_for_model_observers() -> None:
    noise = noise_for_model_observer(_poisson(), epsilon=4.0, delta=1e-5)

    assert noise == pytest.approx(1.14, abs=0.01)  # published
    assert epsilon_for_model_observer(_poisson(noise_multiplier=noise), delta=1e-5)[0] <= 4.0
    with pytest.raises(ValueError, match="only secret Poisson"):
        noise_for_model_observer(_run(), epsilon=4.0, delta=1e-5)


def test_the_guarantee_names_unit_relation_accountant_and_trust() -> None:
    given = user_level_guarantee(_run(), delta=1e-5)

    assert (given.unit, given.neighbouring, given.server_is_trusted) == ("user", "zero-out", True)
    assert given.epsilon_server == given.epsilon_model_observer
    assert "at most 5 times" in given.mechanism
    assert any("before anyone sees the sum" in promise for promise in given.promises)


@pytest.mark.parametrize(
    "changes",
    [
        {"noise_multiplier": 0.0}, {"noise_multiplier": math.inf}, {"participations": -1}, {"probability": 0.5},
        {"cohort_limit": 3}, {"sampling": "poisson", "probability": 0.0},
        {"sampling": "poisson", "mechanism": "banded-gaussian", "probability": 0.1},
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each says its own
        _run(**changes)


def test_so_little_noise_that_epsilon_means_nothing_is_refused() -> None:
    for noise in (1e-200, 1e-3):
        with pytest.raises(ValueError, match="too little noise"):
            epsilon_for_everyone(_run(noise_multiplier=noise), delta=1e-5)


def test_the_trap_in_dp_accounting_is_still_there() -> None:
    """Why `REPLACE_ONE` is never used: one accountant doubles the sensitivity, and the other does not.

    Should this fail, dp-accounting has changed: read what it says of both before anything is accounted with it.
    """
    event, relation = dpa.GaussianDpEvent(1.0), dpa.NeighboringRelation.REPLACE_ONE
    rdp, pld = RdpAccountant(list(RDP_ORDERS), relation), PLDAccountant(relation)
    rdp.compose(event)
    pld.compose(event)

    assert pld.get_epsilon(1e-5) == pytest.approx(dpa.get_epsilon_gaussian(0.5, 1e-5), rel=1e-3)
    assert rdp.get_epsilon(1e-5) < 0.6 * pld.get_epsilon(1e-5)


def test_all_orders_are_integers() -> None:
    assert all(isinstance(order, int) for order in RDP_ORDERS)


def _plan(**changes: object) -> FederationPlan:
    terms = UserPrivacyTerms(noise_multiplier=2.0, participations=3)
    plan = FederationPlan(user_privacy=terms, sampling="schedule", rounds=10, cohort_size=50, devices=500, attempts=2)
    return replace(plan, **changes)  # type: ignore[arg-type]


def test_participations_follow_what_was_really_asked() -> None:
    # Ten rounds of 50 of 500 devices ask each once; 20 attempts ask each twice; a device refuses more than three.
    for requests, times in ((0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (31, 3), (500, 3)):
        assert most_participations(_plan(), devices=500, requests=requests) == times
    # Fewer devices came than were planned for: the same requests ask them more often.
    assert most_participations(_plan(), devices=250, requests=10) == 2
    # Where no device counts for itself, a schedule is the server's word and counts for nothing.
    for sampling in ("random", "schedule"):
        assert most_participations(_plan(user_privacy=None, sampling=sampling), devices=500, requests=10) == 10


def test_a_resumed_run_composes_with_what_went_before() -> None:
    """Attempts that failed before a restart stay: the figure never falls."""
    figures = [
        given.epsilon_server
        for requests in (10, 11, 21)
        if (given := plan_guarantees(_plan(), devices=500, requests=requests, releases=10).user) is not None
    ]
    assert figures == sorted(figures)
    assert figures[0] < figures[1] < figures[2]


def test_both_units_are_stated_separately() -> None:
    from shared.plan_terms import PairPrivacyTerms

    pair = PairPrivacyTerms(noise_multiplier=1.0, sample_rate=0.5, max_grad_norm=1.0)
    given = plan_guarantees(_plan(pair_privacy=pair), devices=500, requests=10, releases=10)

    assert given.user is not None
    assert given.pair is not None
    assert (given.user.unit, given.pair.unit) == ("user", "pair")
    alone = plan_guarantees(_plan(), devices=500, requests=10, releases=10)
    assert given.user == alone.user
    assert not given.pair.server_is_trusted
