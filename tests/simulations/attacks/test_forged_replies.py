"""Attackers over the wire of the inline engine, against the honest client and server."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.round_record import NodeFailure, RoundRecord
from shared.plan_terms import SecureAggregationTerms, ServerStepTerms
from shared.privacy.clipping import l2_norm
from shared.round_plan import FederationPlan
from simulations.attacks.config import AttackConfig, AttackKind
from simulations.attacks.forged_replies import forged
from simulations.attacks.poisoning import attacked, poisoned, unwarned
from simulations.engines.devices import SimulatedDevices
from simulations.engines.inline import OpenClient, run_inline
from tests.federation import MARKER, FewDevices, adapter_vector, plan

_UPDATE = np.array([3.0, -4.0], dtype=np.float32)


def _run(
    path: Path,
    of: FederationPlan,
    attack: AttackConfig | None = None,
    *,
    without: Sequence[int] = (),
    resume: bool = False,
    stop_after: int | None = None,
) -> list[RoundRecord]:
    seen: list[RoundRecord] = []
    attack = attack or AttackConfig()

    def observe(record: RoundRecord) -> None:
        seen.append(record)
        if record.round_number == stop_after:
            raise _StoppedError

    run_inline(
        of,
        poisoned(FewDevices(devices=of.devices, failing=tuple(without)), attack),
        directory=path,
        resume=resume,
        processes=0,
        observe=observe,
        tamper=partial(attacked, attack=attack, plan=of),
    )
    return seen


class _StoppedError(Exception):
    pass


def _failures(records: Sequence[RoundRecord]) -> list[NodeFailure]:
    return [failure for record in records for failure in record.failures]


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("sign-flip", [-1.2, 1.6]),
        ("backdoor", [1.2, -1.6]),
        ("scaled", [300.0, -400.0]),
        ("label-flip", [3.0, -4.0]),
        ("none", [3.0, -4.0]),
    ],
)
def test_what_each_attacker_sends(kind: AttackKind, sent: list[float]) -> None:
    found = forged(_UPDATE, kind, device=0, clipping_norm=2.0)

    np.testing.assert_allclose(found, sent, rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("kind", ["sign-flip", "backdoor"])
def test_the_longest_that_is_accepted_is_never_longer_than_accepted(kind: AttackKind) -> None:
    generator = np.random.default_rng(0)
    for scale in (1e-20, 1e-3, 1.0, 1e10):
        update = (scale * generator.normal(size=1000)).astype(np.float32)
        norm = l2_norm(forged(update, kind, device=0, clipping_norm=0.7))
        assert 0.7 * (1 - 1e-6) < norm <= 0.7
    nothing = np.zeros(3, dtype=np.float32)
    np.testing.assert_array_equal(forged(nothing, kind, device=0, clipping_norm=0.7), nothing)


def test_garbage_is_of_three_kinds() -> None:
    nan, infinite, longer = (forged(_UPDATE, "garbage", device=device, clipping_norm=1.0) for device in range(3))

    assert np.isnan(nan).any()
    assert np.isinf(infinite).any()
    assert longer.shape == (4,)
    assert np.isfinite(_UPDATE).all()


@pytest.mark.parametrize(("kind", "sign"), [("sign-flip", -1.0), ("backdoor", 1.0)])
@pytest.mark.parametrize("clipping_norm", [1e-3, 1e3])
def test_what_reaches_the_server_is_as_long_as_it_accepts(
    tmp_path: Path, kind: AttackKind, sign: float, clipping_norm: float
) -> None:
    of = replace(plan(rounds=1, cohort_size=1, devices=1), clipping_norm=clipping_norm, server_learning_rate=1.0)
    attack = AttackConfig(kind=kind, share=0.9)
    honest = _unforged(of, tmp_path / "honest", attack)
    records = _run(tmp_path / "attacked", of, attack)

    # One device and one round from zero: the release is its update.
    found = adapter_vector(tmp_path / "attacked")
    assert records[0].replies == 1
    assert l2_norm(found) == pytest.approx(clipping_norm, rel=2e-6)
    np.testing.assert_allclose(found / clipping_norm, sign * honest / l2_norm(honest), atol=1e-5)


def _unforged(of: FederationPlan, path: Path, attack: AttackConfig) -> NDArray[np.float32]:
    """The update that the one client makes of the attackers' pairs."""
    run_inline(of, poisoned(FewDevices(devices=of.devices), attack), directory=path, processes=0)
    return adapter_vector(path)


@pytest.mark.parametrize("kind", ["scaled", "garbage"])
def test_what_the_server_cannot_accept_is_refused_named_and_as_if_the_device_were_missing(
    tmp_path: Path, kind: AttackKind, caplog: pytest.LogCaptureFixture
) -> None:
    of = plan(rounds=1, cohort_size=10, devices=10)
    attack = AttackConfig(kind=kind, share=0.4)
    attackers = attack.attackers(10)
    with caplog.at_level(logging.DEBUG):
        records = _run(tmp_path / "attacked", of, attack)
    _run(tmp_path / "missing", of, without=sorted(attackers))

    assert [record.replies for record in records] == [6]
    assert Counter(failure.device for failure in _failures(records)) == dict.fromkeys(attackers, 1)
    reasons = {failure.reason for failure in _failures(records)}
    if kind == "scaled":
        assert reasons == {"invalid reply: not clipped"}
    else:
        assert reasons == {
            "invalid reply: vector: holds NaN or infinity", "invalid reply: vector: must hold 896 numbers"
        }  # fmt: skip
    np.testing.assert_array_equal(adapter_vector(tmp_path / "attacked"), adapter_vector(tmp_path / "missing"))
    assert MARKER not in caplog.text


def test_the_log_tells_of_honest_devices_that_are_left_out_and_not_of_attackers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    of, attack = plan(rounds=1, cohort_size=4), AttackConfig(kind="scaled", share=0.3)
    (attacker,), (honest, *_) = attack.attackers(4), sorted(set(range(4)) - attack.attackers(4))
    with unwarned(attack, 4):
        records = _run(tmp_path / "unwarned", of, attack, without=[honest])
    assert {failure.device for failure in _failures(records)} == {attacker, honest}
    assert f"(device {honest}) is left out" in caplog.text
    assert f"(device {attacker}) is left out" not in caplog.text
    _run(tmp_path / "warned", of, attack)
    assert f"(device {attacker}) is left out" in caplog.text  # the filter is gone


@pytest.mark.parametrize("kind", ["sign-flip", "backdoor"])
def test_a_private_runs_replies_are_forged_too_and_show_no_more_than_honest_ones(
    tmp_path: Path, kind: AttackKind
) -> None:
    of = plan(rounds=1, cohort_size=4, private=True)
    records = _run(tmp_path, of, AttackConfig(kind=kind, share=0.5))

    assert (records[0].replies, records[0].failures, records[0].metrics) == (4, (), None)


def test_a_device_without_an_update_has_none_to_forge(tmp_path: Path) -> None:
    of = plan(rounds=1, cohort_size=4)
    attack = AttackConfig(kind="sign-flip", share=0.5)
    idle, *_ = sorted(attack.attackers(4))
    seen: list[RoundRecord] = []
    run_inline(
        of, FewDevices(without_pairs=(idle,)), directory=tmp_path, processes=0, observe=seen.append,
        tamper=partial(attacked, attack=attack, plan=of),
    )  # fmt: skip

    assert (seen[0].replies, seen[0].no_pairs, seen[0].failures) == (3, 1, ())


def test_under_masks_a_backdoors_pairs_count_and_its_updates_are_no_longer_than_its_client_makes_them(
    tmp_path: Path,
) -> None:
    secure = SecureAggregationTerms(stage_timeout=20.0)
    of = replace(plan(rounds=1, cohort_size=6, devices=6), secure_aggregation=secure, clipping_norm=100.0)
    attack = AttackConfig(kind="backdoor", share=0.5)
    records = _run(tmp_path / "attacked", of, attack)
    _unforged(of, tmp_path / "unforged", attack)
    _run(tmp_path / "honest", of)

    assert (records[0].replies, records[0].failures) == (6, ())
    attacked_by, unforged, honest = (adapter_vector(tmp_path / name) for name in ("attacked", "unforged", "honest"))
    np.testing.assert_allclose(attacked_by, unforged, atol=2e-3)  # what rounding to the grid leaves
    assert np.abs(attacked_by - honest).max() > 1e-2


@pytest.mark.parametrize("kind", ["sign-flip", "label-flip"])
def test_the_attackers_are_the_same_after_a_resume(tmp_path: Path, kind: AttackKind) -> None:
    of, attack = plan(rounds=2, cohort_size=4, devices=4), AttackConfig(kind=kind, share=0.3)
    _run(tmp_path / "whole", of, attack)
    with pytest.raises(_StoppedError):
        _run(tmp_path / "cut", of, attack, stop_after=1)
    _run(tmp_path / "cut", of, attack, resume=True)
    _run(tmp_path / "others", of, replace(attack, seed=1))

    np.testing.assert_array_equal(adapter_vector(tmp_path / "cut"), adapter_vector(tmp_path / "whole"))
    assert (adapter_vector(tmp_path / "others") != adapter_vector(tmp_path / "whole")).any()


def test_workers_get_the_forger_whole() -> None:
    of, attack = plan(devices=10), AttackConfig(kind="sign-flip", share=0.3)
    opened = attacked(OpenClient(open_device=SimulatedDevices(population=FewDevices(), secret=b"")), attack, of)

    assert pickle.loads(pickle.dumps(opened)) == opened  # noqa: S301
    honest = OpenClient(open_device=SimulatedDevices(population=FewDevices(), secret=b""))
    assert attacked(honest, AttackConfig(), of) is honest


def test_a_mean_that_bears_liars_learns_where_the_plain_mean_does_not(tmp_path: Path) -> None:
    # A clipping norm above most honest updates, so that three attackers outweigh seven honest devices in a plain mean.
    of = replace(
        plan(rounds=3, cohort_size=10, devices=10, minimum_replies=10), clipping_norm=20.0, server_learning_rate=0.5
    )
    attack = AttackConfig(kind="sign-flip", share=0.3)

    def gain(mean: str, kind: AttackKind = "sign-flip") -> float:
        """By how much the devices' own loss falls: all of them measure it on honest pairs."""
        terms = ServerStepTerms(mean=mean, liars=0.3)  # type: ignore[arg-type]
        records = _run(tmp_path / f"{kind}-{mean}", replace(of, step_terms=terms), replace(attack, kind=kind))
        losses = [record.metrics.loss for record in records if record.metrics is not None]
        return losses[0] - losses[-1]

    assert gain("mean", "none") > 1.0
    assert gain("mean") < 0.0
    for mean in ("median", "trimmed-mean", "geometric-median", "krum"):
        assert gain(mean) > 1.0, mean
