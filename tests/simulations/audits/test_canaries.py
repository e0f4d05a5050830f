"""User-level audits on the real code: sound mechanisms hold, and each way to break one is found."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

import client.secure_aggregation
import server.central_noise
import simulations.audits.user_shadow
from shared.plan_guarantees import planned_guarantees
from shared.round_plan import FederationPlan
from simulations.audits.canaries import judge, shadow_of
from simulations.audits.user_shadow import NoShadowError, ShadowFailedError, lay_out
from tests.federation import plan
from tests.simulations.audits import shadows
from tests.simulations.audits.shadows import Break, adapted, banded_plan, central_plan, secure_plan


@pytest.fixture(autouse=True)
def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    shadows.seed_secrets(monkeypatch, server.central_noise, client.secure_aggregation, simulations.audits.user_shadow)


def _poisson_plan() -> FederationPlan:
    of = central_plan(participations=2)
    assert of.user_privacy is not None
    return replace(of, sampling="poisson", user_privacy=replace(of.user_privacy, cohort_limit=20))


def _plan_of_both() -> FederationPlan:
    return replace(central_plan(participations=2), pair_privacy=plan(private=True).pair_privacy)


def _epsilon_at_least(of: FederationPlan, *, participations: int = 1) -> dict[str, float]:
    """By observer, of a shadow whose claim is the accountant's."""
    guarantee = planned_guarantees(of).user
    assert guarantee is not None
    assert 3.9 < guarantee.epsilon_server < 4.01
    layout, directions, shadow = shadow_of(of, adapted(), claim=guarantee.epsilon_server, participations=participations)
    found = {
        observer: judge(layout, directions, shadow, observer).best.epsilon_at_least(of.delta)
        for observer in ("sums", "models")
    }
    assert layout.canaries >= 60
    return found


def test_central_noise_holds() -> None:
    found = _epsilon_at_least(central_plan())
    assert 0 < found["sums"] <= 4
    assert 0 < found["models"] <= 4


@pytest.mark.parametrize(
    "broken",
    [
        shadows.forget_central_noise,
        shadows.halve_central_noise,
        shadows.reuse_central_noise,
        shadows.clip_rows_everywhere,
    ],
)
def test_a_broken_central_mechanism_is_found(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    found = _epsilon_at_least(central_plan())
    assert found["sums"] > 4.01
    assert found["models"] > 4.01


def test_a_server_stops_devices_that_clip_rows_and_the_audit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shadows.clip_rows_on_devices(monkeypatch)
    with pytest.raises(ShadowFailedError, match="not clipped"):
        _epsilon_at_least(central_plan())


@pytest.mark.slow
def test_correlated_noise_holds() -> None:
    found = _epsilon_at_least(banded_plan(), participations=3)
    assert 0 < found["sums"] <= 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken", [shadows.forget_central_noise, shadows.halve_central_noise, shadows.reuse_central_noise]
)
def test_broken_correlated_noise_is_found(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    assert _epsilon_at_least(banded_plan(), participations=3)["sums"] > 4.01


@pytest.mark.slow
def test_noise_under_masks_holds_with_all_that_may_vanish_and_collude(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = _epsilon_at_least(secure_plan())
    assert 0 < found["sums"] <= 4
    assert not caplog.records  # nobody is warned of what is meant


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken", [shadows.forget_shares, shadows.halve_shares, shadows.share_one_key, shadows.clip_rows_everywhere]
)
def test_broken_noise_under_masks_is_found_by_the_server(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    assert _epsilon_at_least(secure_plan())["sums"] > 4.01


@pytest.mark.slow
def test_the_grid_clips_what_devices_under_masks_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shadows.clip_rows_on_devices(monkeypatch)
    assert _epsilon_at_least(secure_plan())["sums"] <= 4


@pytest.mark.slow
def test_a_device_that_keeps_its_noise_is_found_by_who_speaks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _epsilon_at_least(secure_plan(participations=2), participations=2)["sums"] <= 4
    shadows.keep_one_key_a_device(monkeypatch)
    assert _epsilon_at_least(secure_plan(participations=2), participations=2)["sums"] > 4.01


def test_every_device_of_a_shadow_takes_part_as_often_as_the_claim_has_it() -> None:
    layout = lay_out(secure_plan(participations=2), canaries=100, participations=2)

    assert (layout.colluding, layout.vanishing, layout.canaries_a_group) == (2, 6, 12)
    assert layout.canaries >= 100
    assert layout.plan.rounds == 2 * layout.groups
    assert all(len(layout.rounds_of(group)) == 2 for group in range(layout.groups))
    assert sorted(role.canary for role in layout.roles.values() if role.canary is not None) == list(
        range(layout.canaries)
    )
    with pytest.raises(NoShadowError, match="promises its users nothing"):
        lay_out(plan(), canaries=100, participations=1)


@pytest.mark.parametrize("of", [_poisson_plan(), _plan_of_both()])
def test_a_shadow_keeps_what_the_noise_depends_on(of: FederationPlan) -> None:
    shadow = lay_out(of, canaries=100, participations=2).plan

    assert of.user_privacy is not None
    assert shadow.user_privacy is not None
    assert shadow.pair_privacy is None
    for name in ("mechanism", "noise_multiplier"):
        assert getattr(shadow.user_privacy, name) == getattr(of.user_privacy, name)
    assert shadow.clipping_norm == of.clipping_norm


def test_canaries_are_as_many_as_there_is_room_for_or_are_refused() -> None:
    layout, directions, _ = shadow_of(central_plan(), adapted(), claim=0.5, participations=1)
    assert 100 < 2 * layout.canaries <= directions.count
    with pytest.raises(NoShadowError, match="have no room for"):
        shadow_of(central_plan(), adapted(), claim=4.0, participations=1, canaries=500)
