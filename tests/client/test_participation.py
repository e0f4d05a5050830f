"""The gate between a request and its answer: real files, real encryption, and processes that die."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.device import DeclinedError
from client.plan_checks import check_server
from client.privacy_policy import PrivacyPolicy, UnitLimits
from client.spending import spent
from shared.messages import TrainRequest
from shared.plan_terms import PairPrivacyTerms
from shared.privacy.user_level import UserLevelRun, epsilon_for_everyone
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey
from tests.client.gated import PLAN, POLICY, TERMS, USER, answer, gate_of, ledger_of, reply_to, request_of


def test_the_budget_is_debited_before_anything_is_answered(tmp_path: Path) -> None:
    assert gate_of(tmp_path).admit(request_of()) is None

    (charge,) = ledger_of(tmp_path).charges()
    assert (charge.round_number, charge.reply, charge.plan.user_privacy) == (1, None, TERMS)


def test_the_same_request_gets_the_same_bytes_and_is_charged_once(tmp_path: Path) -> None:
    first = answer(gate_of(tmp_path), request_of())

    again = answer(gate_of(tmp_path), request_of(), value=2.0)  # another process, other pairs by now

    assert again.vector is not None
    assert first.vector is not None
    assert again.vector.tobytes() == first.vector.tobytes()
    assert len(ledger_of(tmp_path).charges()) == 1


def test_a_charge_that_was_never_answered_is_answered_without_another(tmp_path: Path) -> None:
    gate_of(tmp_path).admit(request_of())  # and killed in training

    reply = answer(gate_of(tmp_path), request_of(), value=3.0)

    assert reply.vector is not None
    assert reply.vector[0] == 3.0
    assert len(ledger_of(tmp_path).charges()) == 1


@pytest.mark.parametrize(
    "changes",
    [{"vector": np.ones(4, dtype=np.float32)}, {"training_seed": 1}, {"spec_digest": "c"}, {"base_fingerprint": "z"}],
)
def test_another_request_for_an_answered_round_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    answer(gate_of(tmp_path), request_of())

    with pytest.raises(DeclinedError, match="asked before with other words"):
        gate_of(tmp_path).admit(replace(request_of(), **changes))  # type: ignore[arg-type]


def test_another_attempt_is_another_charge(tmp_path: Path) -> None:
    plan = replace(PLAN, user_privacy=replace(TERMS, separation=1))
    answer(gate_of(tmp_path), request_of(plan))
    answer(gate_of(tmp_path), request_of(plan, attempt=2))

    assert len(ledger_of(tmp_path).charges()) == 2


def test_a_reply_is_encrypted_where_it_lies(tmp_path: Path) -> None:
    request = request_of()
    answer(gate_of(tmp_path), request)

    (file,) = (tmp_path / "state" / "answered").iterdir()
    assert np.full(4, 1.0, dtype=np.float32).tobytes() not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    sealed = file.read_bytes()
    file.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(DeclinedError, match="no longer kept"):
        gate_of(tmp_path).admit(request)


def test_an_answer_whose_bytes_are_gone_is_never_made_anew(tmp_path: Path) -> None:
    answer(gate_of(tmp_path), request_of())
    for file in (tmp_path / "state" / "answered").iterdir():
        file.unlink()

    with pytest.raises(DeclinedError, match="no longer kept"):
        gate_of(tmp_path).admit(request_of())


def test_only_the_newest_reply_of_a_run_is_kept_and_older_rounds_stay_closed(tmp_path: Path) -> None:
    for number in (1, 3):
        answer(gate_of(tmp_path), request_of(round_number=number))

    assert len(list((tmp_path / "state" / "answered").iterdir())) == 1
    with pytest.raises(DeclinedError, match="no longer kept"):
        gate_of(tmp_path).admit(request_of(round_number=1))
    assert gate_of(tmp_path).admit(request_of(round_number=3)) is not None


def test_the_device_counts_its_participations_itself(tmp_path: Path) -> None:
    for number in (1, 3):
        answer(gate_of(tmp_path), request_of(round_number=number))

    with pytest.raises(DeclinedError, match="2 times, as often as it may"):
        gate_of(tmp_path).admit(request_of(round_number=5))
    # Another run of the same server has a count of its own, and the total decides.
    assert gate_of(tmp_path).admit(request_of(run="2" * 32)) is None


def test_the_device_keeps_its_rounds_apart(tmp_path: Path) -> None:
    answer(gate_of(tmp_path), request_of(round_number=3))

    for number in (2, 4):
        with pytest.raises(DeclinedError, match="its rounds lie 2 apart"):
            gate_of(tmp_path).admit(request_of(round_number=number))
    assert gate_of(tmp_path).admit(request_of(round_number=5)) is None


def test_a_run_that_changes_its_plan_is_refused(tmp_path: Path) -> None:
    answer(gate_of(tmp_path), request_of())

    with pytest.raises(DeclinedError, match="another plan than it began with"):
        gate_of(tmp_path).admit(request_of(replace(PLAN, seed=9), round_number=3))


def test_the_total_over_runs_is_what_counts(tmp_path: Path) -> None:
    one = epsilon_for_everyone(_run(1), delta=1e-6)
    two = epsilon_for_everyone(_run(2), delta=1e-6)
    policy = replace(POLICY, user=replace(USER, max_epsilon_in_total=(one + two) / 2))
    answer(gate_of(tmp_path, policy), request_of())

    with pytest.raises(DeclinedError, match="would have spent"):
        gate_of(tmp_path, policy).admit(request_of(run="2" * 32))
    assert spent(ledger_of(tmp_path).charges(), delta=1e-6).user == pytest.approx(one)


def _run(participations: int) -> UserLevelRun:
    return UserLevelRun(
        mechanism="gaussian", noise_multiplier=2.0, participations=participations, releases=participations
    )


def test_correlated_noise_is_charged_once_a_run(tmp_path: Path) -> None:
    plan = replace(PLAN, user_privacy=replace(TERMS, mechanism="banded-gaussian"), attempts=1)
    for number in (1, 3):
        answer(gate_of(tmp_path), request_of(plan, round_number=number))

    total = spent(ledger_of(tmp_path).charges(), delta=1e-6)
    assert total.user == pytest.approx(epsilon_for_everyone(_run(1), delta=1e-6))


def test_once_answered_with_too_little_noise_there_is_no_figure_and_no_more_answers(tmp_path: Path) -> None:
    careless = PrivacyPolicy(require="none")
    faint = replace(PLAN, user_privacy=replace(TERMS, noise_multiplier=0.015))
    answer(gate_of(tmp_path, careless), request_of(faint))
    answer(gate_of(tmp_path, careless), request_of(faint, round_number=3))

    assert spent(ledger_of(tmp_path).charges(), delta=1e-6).user > 4000
    answer(gate_of(tmp_path, careless), request_of(faint, run="2" * 32))
    assert spent(ledger_of(tmp_path).charges(), delta=1e-6).user == math.inf
    with pytest.raises(DeclinedError, match="would have spent ε = ∞"):
        gate_of(tmp_path).admit(request_of(run="3" * 32))


def test_units_are_never_mixed(tmp_path: Path) -> None:
    pair = PairPrivacyTerms(noise_multiplier=3.0, sample_rate=0.5, max_grad_norm=1.0)
    policy = replace(POLICY, require="either", pair=UnitLimits(max_epsilon_per_run=20.0, max_epsilon_in_total=20.0))
    answer(gate_of(tmp_path, policy), request_of())
    answer(gate_of(tmp_path, policy), request_of(replace(PLAN, user_privacy=None, pair_privacy=pair), run="2" * 32))

    total = spent(ledger_of(tmp_path).charges(), delta=1e-6)
    assert total.user == pytest.approx(epsilon_for_everyone(_run(1), delta=1e-6))
    assert 0 < total.pair < total.user
    assert (total.unprotected_users, total.unprotected_pairs) == (1, 1)


def _weaker(**changes: object) -> FederationPlan:
    return replace(PLAN, user_privacy=replace(TERMS, **changes))  # type: ignore[arg-type]


_KEY = ServerKey.generate()
DECLINED: dict[str, tuple[Callable[[], tuple[PrivacyPolicy | None, TrainRequest]], str]] = {
    "no policy": (lambda: (None, request_of()), "no privacy policy"),
    "no privacy": (
        lambda: (POLICY, request_of(replace(PLAN, user_privacy=None, sampling="random"))),
        "does not protect one user",
    ),
    "neither": (
        lambda: (replace(POLICY, require="either"), request_of(replace(PLAN, user_privacy=None, sampling="random"))),
        "neither users nor pairs",
    ),
    "cohort cut": (
        lambda: (
            POLICY,
            request_of(replace(PLAN, sampling="poisson", attempts=1, user_privacy=replace(TERMS, cohort_limit=3))),
        ),
        "cohorts of 3 are smaller",
    ),
    "few devices": (lambda: (POLICY, request_of(replace(PLAN, devices=40))), "cohorts of 40 are smaller"),
    "small cohort": (lambda: (POLICY, request_of(replace(PLAN, cohort_size=49))), "smaller than the policy's 50"),
    "little noise": (
        lambda: (replace(POLICY, user=replace(USER, minimum_noise_multiplier=2.1)), request_of()),
        "below the policy's 2.1",
    ),
    "epsilon of the run": (lambda: (POLICY, request_of(_weaker(noise_multiplier=0.9))), "the run would come to ε ="),
    "many participations": (lambda: (POLICY, request_of(_weaker(participations=20))), "the run would come to ε ="),
    "no finite epsilon": (lambda: (POLICY, request_of(_weaker(noise_multiplier=1e-200))), "epsilon|ε"),
    "mechanism": (
        lambda: (replace(POLICY, user=replace(USER, mechanisms=("banded-gaussian",))), request_of()),
        "does not allow the mechanism gaussian",
    ),
    "central noise": (
        lambda: (replace(POLICY, user=replace(USER, trust_the_server_to_add_noise=False)), request_of()),
        "does not trust it to",
    ),
    "unit without limits": (
        lambda: (
            replace(
                POLICY, user=None, require="either", pair=UnitLimits(max_epsilon_per_run=1, max_epsilon_in_total=1)
            ),
            request_of(),
        ),
        "does not say how far",
    ),
    "unknown server": (lambda: (replace(POLICY, servers=("0" * 64,)), _KEY.sign(request_of())), "does not name"),
    "unsigned": (lambda: (replace(POLICY, servers=(_KEY.public,)), request_of()), "not signed"),
    "claimed key": (
        lambda: (replace(POLICY, servers=(_KEY.public,)), request_of(server=_KEY.public, signature="00" * 64)),
        "not signed",
    ),
    "signed for another": (
        lambda: (
            replace(POLICY, servers=(_KEY.public,)),
            replace(_KEY.sign(request_of()), vector=np.ones(4, dtype=np.float32)),
        ),
        "not signed",
    ),
}


@pytest.mark.parametrize("case", DECLINED)
def test_what_is_weaker_is_declined_with_a_reason_and_charges_nothing(tmp_path: Path, case: str) -> None:
    make, said = DECLINED[case]
    policy, request = make()

    with pytest.raises(DeclinedError, match=said):
        gate_of(tmp_path, policy).admit(request)

    assert ledger_of(tmp_path).charges() == ()
    ((_, _, reason),) = ledger_of(tmp_path).refusals()  # for the user's eyes
    assert reason


def test_a_signed_request_of_a_named_server_is_answered(tmp_path: Path) -> None:
    policy = replace(POLICY, servers=("0" * 64, _KEY.public))

    assert answer(gate_of(tmp_path, policy), _KEY.sign(request_of())).status == "trained"
    assert ledger_of(tmp_path).charges()[0].server == _KEY.public


def test_the_server_that_was_joined_must_sign_whatever_the_policy_says_of_servers() -> None:
    other = ServerKey.generate()
    both = replace(POLICY, servers=(_KEY.public, other.public))
    check_server(both, _KEY.sign(request_of()), server_key=_KEY.public)
    check_server(POLICY, _KEY.sign(request_of()), server_key=_KEY.public)
    for policy in (POLICY, both):
        with pytest.raises(DeclinedError, match="another server than the one that was joined"):
            check_server(policy, other.sign(request_of()), server_key=_KEY.public)
        for unsigned in (request_of(), request_of(server=_KEY.public, signature="00" * 64)):
            with pytest.raises(DeclinedError, match="not signed"):
                check_server(policy, unsigned, server_key=_KEY.public)


def test_two_processes_that_trained_for_one_charge_send_one_reply(tmp_path: Path) -> None:
    first, second = gate_of(tmp_path), gate_of(tmp_path)
    assert first.admit(request_of()) is None
    assert second.admit(request_of()) is None

    sent = [gate.keep(request_of(), reply_to(request_of(), value)) for gate, value in ((first, 1.0), (second, 2.0))]

    assert sent[0].vector is not None
    assert sent[1].vector is not None
    assert sent[0].vector.tobytes() == sent[1].vector.tobytes()


def test_what_was_answered_is_not_shown_to_a_server_that_cannot_sign(tmp_path: Path) -> None:
    policy = replace(POLICY, servers=(_KEY.public,))
    signed = _KEY.sign(request_of())
    answer(gate_of(tmp_path, policy), signed)

    for gate in (gate_of(tmp_path, policy), gate_of(tmp_path, None)):
        with pytest.raises(DeclinedError):
            gate.admit(replace(signed, signature=""))
    assert gate_of(tmp_path, policy).admit(signed) is not None
