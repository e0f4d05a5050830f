"""The gate between a request and its answer: real files, real encryption, and processes that die."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.answered import AnsweredRounds
from client.device import DeclinedError
from client.participation import Participation, spent
from client.privacy_ledger import ANCHOR_FILE, LEDGER_FILE, LedgerError, PrivacyLedger
from client.privacy_policy import PrivacyPolicy, UnitLimits, UserLimits
from shared.messages import TrainReply, TrainRequest
from shared.privacy.user_level import UserLevelRun, epsilon_for_everyone
from shared.round_plan import FederationPlan, PairPrivacyTerms, UserPrivacyTerms
from shared.server_identity import ServerKey

_TERMS = UserPrivacyTerms(noise_multiplier=2.0, participations=2, separation=2)
_PLAN = FederationPlan(user_privacy=_TERMS, sampling="schedule", rounds=8, cohort_size=60, devices=400)
_USER = UserLimits(max_epsilon_per_run=8.0, max_epsilon_in_total=8.0, trust_the_server_to_add_noise=True)
_POLICY = PrivacyPolicy(delta=1e-6, minimum_cohort=50, user=_USER)


def _request(of: FederationPlan = _PLAN, **changes: object) -> TrainRequest:
    values: dict[str, object] = {
        "run": "1" * 32, "device": 0, "round_number": 1, "attempt": 1,
        "plan": of, "spec_digest": "a", "base_fingerprint": "b",
        "training_seed": 0, "vector": np.zeros(4, dtype=np.float32),
    }  # fmt: skip
    return TrainRequest(**(values | changes))  # type: ignore[arg-type]


def _reply(request: TrainRequest, value: float = 1.0) -> TrainReply:
    return TrainReply(status="trained", request_digest=request.digest(), vector=np.full(4, value, dtype=np.float32))


def _gate(path: Path, policy: PrivacyPolicy | None = _POLICY) -> Participation:
    state = path / "state"
    ledger = PrivacyLedger(directory=path / "state-ledger", anchor_directory=state)
    if not state.exists():
        state.mkdir()
        ledger.begin()
    return Participation(
        policy=policy,
        ledger=ledger,
        answered=AnsweredRounds(state / "answered", device_key=bytes(32)),
    )


def _answer(gate: Participation, request: TrainRequest, value: float = 1.0) -> TrainReply:
    said = gate.admit(request)
    if said is not None:
        return said
    reply = _reply(request, value)
    gate.keep(request, reply)
    return reply


def _ledger(path: Path) -> PrivacyLedger:
    return PrivacyLedger(directory=path / "state-ledger", anchor_directory=path / "state")


def test_the_budget_is_debited_before_anything_is_answered(tmp_path: Path) -> None:
    assert _gate(tmp_path).admit(_request()) is None

    (charge,) = _ledger(tmp_path).charges()
    assert (charge.round_number, charge.reply, charge.plan.user_privacy) == (1, None, _TERMS)


def test_the_same_request_gets_the_same_bytes_and_is_charged_once(tmp_path: Path) -> None:
    first = _answer(_gate(tmp_path), _request())

    again = _answer(_gate(tmp_path), _request(), value=2.0)  # another process, other pairs by now

    assert again.vector is not None
    assert first.vector is not None
    assert again.vector.tobytes() == first.vector.tobytes()
    assert len(_ledger(tmp_path).charges()) == 1


def test_a_charge_that_was_never_answered_is_answered_without_another(tmp_path: Path) -> None:
    _gate(tmp_path).admit(_request())  # and killed in training

    reply = _answer(_gate(tmp_path), _request(), value=3.0)

    assert reply.vector is not None
    assert reply.vector[0] == 3.0
    assert len(_ledger(tmp_path).charges()) == 1


@pytest.mark.parametrize(
    "changes",
    [{"vector": np.ones(4, dtype=np.float32)}, {"training_seed": 1}, {"spec_digest": "c"}, {"base_fingerprint": "z"}],
)
def test_another_request_for_an_answered_round_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    _answer(_gate(tmp_path), _request())

    with pytest.raises(DeclinedError, match="asked before with other words"):
        _gate(tmp_path).admit(replace(_request(), **changes))  # type: ignore[arg-type]


def test_another_attempt_is_another_charge(tmp_path: Path) -> None:
    plan = replace(_PLAN, user_privacy=replace(_TERMS, separation=1))
    _answer(_gate(tmp_path), _request(plan))
    _answer(_gate(tmp_path), _request(plan, attempt=2))

    assert len(_ledger(tmp_path).charges()) == 2


def test_a_reply_is_encrypted_where_it_lies(tmp_path: Path) -> None:
    request = _request()
    _answer(_gate(tmp_path), request)

    (file,) = (tmp_path / "state" / "answered").iterdir()
    assert np.full(4, 1.0, dtype=np.float32).tobytes() not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    with pytest.raises(DeclinedError, match="no longer kept"):
        _gate(tmp_path).admit(request)


def test_an_answer_whose_bytes_are_gone_is_never_made_anew(tmp_path: Path) -> None:
    _answer(_gate(tmp_path), _request())
    for file in (tmp_path / "state" / "answered").iterdir():
        file.unlink()

    with pytest.raises(DeclinedError, match="no longer kept"):
        _gate(tmp_path).admit(_request())


def test_the_device_counts_its_participations_itself(tmp_path: Path) -> None:
    for number in (1, 3):
        _answer(_gate(tmp_path), _request(round_number=number))

    with pytest.raises(DeclinedError, match="2 times, as often as it may"):
        _gate(tmp_path).admit(_request(round_number=5))
    # Another run of the same server has a count of its own, and the total decides.
    assert _gate(tmp_path).admit(_request(run="2" * 32)) is None


def test_the_device_keeps_its_rounds_apart(tmp_path: Path) -> None:
    _answer(_gate(tmp_path), _request(round_number=3))

    for number in (2, 4):
        with pytest.raises(DeclinedError, match="its rounds lie 2 apart"):
            _gate(tmp_path).admit(_request(round_number=number))
    assert _gate(tmp_path).admit(_request(round_number=5)) is None


def test_a_run_that_changes_its_plan_is_refused(tmp_path: Path) -> None:
    _answer(_gate(tmp_path), _request())

    with pytest.raises(DeclinedError, match="another plan than it began with"):
        _gate(tmp_path).admit(_request(replace(_PLAN, seed=9), round_number=3))


def test_the_total_over_runs_is_what_counts(tmp_path: Path) -> None:
    one = epsilon_for_everyone(_run(1), delta=1e-6)
    two = epsilon_for_everyone(_run(2), delta=1e-6)
    policy = replace(_POLICY, user=replace(_USER, max_epsilon_in_total=(one + two) / 2))
    _answer(_gate(tmp_path, policy), _request())

    with pytest.raises(DeclinedError, match="would have spent"):
        _gate(tmp_path, policy).admit(_request(run="2" * 32))
    assert spent(_ledger(tmp_path).charges(), delta=1e-6).user == pytest.approx(one)


def _run(participations: int) -> UserLevelRun:
    return UserLevelRun(
        mechanism="gaussian", noise_multiplier=2.0, participations=participations, releases=participations
    )


def test_correlated_noise_is_charged_once_a_run(tmp_path: Path) -> None:
    plan = replace(_PLAN, user_privacy=replace(_TERMS, mechanism="banded-gaussian"), attempts=1)
    for number in (1, 3):
        _answer(_gate(tmp_path), _request(plan, round_number=number))

    total = spent(_ledger(tmp_path).charges(), delta=1e-6)
    assert total.user == pytest.approx(epsilon_for_everyone(_run(1), delta=1e-6))


def test_units_are_never_mixed(tmp_path: Path) -> None:
    pair = PairPrivacyTerms(noise_multiplier=3.0, sample_rate=0.5, max_grad_norm=1.0)
    policy = replace(_POLICY, require="either", pair=UnitLimits(max_epsilon_per_run=20.0, max_epsilon_in_total=20.0))
    _answer(_gate(tmp_path, policy), _request())
    _answer(_gate(tmp_path, policy), _request(replace(_PLAN, user_privacy=None, pair_privacy=pair), run="2" * 32))

    total = spent(_ledger(tmp_path).charges(), delta=1e-6)
    assert total.user == pytest.approx(epsilon_for_everyone(_run(1), delta=1e-6))
    assert 0 < total.pair < total.user
    assert (total.unprotected_users, total.unprotected_pairs) == (1, 1)


def _weaker(**changes: object) -> FederationPlan:
    return replace(_PLAN, user_privacy=replace(_TERMS, **changes))  # type: ignore[arg-type]


_KEY = ServerKey.generate()
DECLINED: dict[str, tuple[Callable[[], tuple[PrivacyPolicy | None, TrainRequest]], str]] = {
    "no policy": (lambda: (None, _request()), "no privacy policy"),
    "no privacy": (
        lambda: (_POLICY, _request(replace(_PLAN, user_privacy=None, sampling="random"))),
        "does not protect one user",
    ),
    "neither": (
        lambda: (replace(_POLICY, require="either"), _request(replace(_PLAN, user_privacy=None, sampling="random"))),
        "neither users nor pairs",
    ),
    "cohort cut": (
        lambda: (
            _POLICY,
            _request(replace(_PLAN, sampling="poisson", attempts=1, user_privacy=replace(_TERMS, cohort_limit=3))),
        ),
        "cohorts of 3 are smaller",
    ),
    "few devices": (lambda: (_POLICY, _request(replace(_PLAN, devices=40))), "cohorts of 40 are smaller"),
    "small cohort": (lambda: (_POLICY, _request(replace(_PLAN, cohort_size=49))), "smaller than the policy's 50"),
    "little noise": (
        lambda: (replace(_POLICY, user=replace(_USER, minimum_noise_multiplier=2.1)), _request()),
        "below the policy's 2.1",
    ),
    "epsilon of the run": (lambda: (_POLICY, _request(_weaker(noise_multiplier=0.9))), "the run would come to ε ="),
    "many participations": (lambda: (_POLICY, _request(_weaker(participations=20))), "the run would come to ε ="),
    "no finite epsilon": (lambda: (_POLICY, _request(_weaker(noise_multiplier=1e-200))), "epsilon|ε"),
    "mechanism": (
        lambda: (replace(_POLICY, user=replace(_USER, mechanisms=("banded-gaussian",))), _request()),
        "does not allow the mechanism gaussian",
    ),
    "central noise": (
        lambda: (replace(_POLICY, user=replace(_USER, trust_the_server_to_add_noise=False)), _request()),
        "does not trust it to",
    ),
    "unit without limits": (
        lambda: (
            replace(
                _POLICY, user=None, require="either", pair=UnitLimits(max_epsilon_per_run=1, max_epsilon_in_total=1)
            ),
            _request(),
        ),
        "does not say how far",
    ),
    "unknown server": (lambda: (replace(_POLICY, servers=("0" * 64,)), _KEY.sign(_request())), "does not name"),
    "unsigned": (lambda: (replace(_POLICY, servers=(_KEY.public,)), _request()), "not signed"),
    "claimed key": (
        lambda: (replace(_POLICY, servers=(_KEY.public,)), _request(server=_KEY.public, signature="00" * 64)),
        "not signed",
    ),
    "signed for another": (
        lambda: (
            replace(_POLICY, servers=(_KEY.public,)),
            replace(_KEY.sign(_request()), vector=np.ones(4, dtype=np.float32)),
        ),
        "not signed",
    ),
}


@pytest.mark.parametrize("case", DECLINED)
def test_what_is_weaker_is_declined_with_a_reason_and_charges_nothing(tmp_path: Path, case: str) -> None:
    make, said = DECLINED[case]
    policy, request = make()

    with pytest.raises(DeclinedError, match=said):
        _gate(tmp_path, policy).admit(request)

    assert _ledger(tmp_path).charges() == ()
    ((_, _, reason),) = _ledger(tmp_path).refusals()  # for the user's eyes
    assert reason


def test_a_signed_request_of_a_named_server_is_answered(tmp_path: Path) -> None:
    policy = replace(_POLICY, servers=("0" * 64, _KEY.public))

    assert _answer(_gate(tmp_path, policy), _KEY.sign(_request())).status == "trained"
    assert _ledger(tmp_path).charges()[0].server == _KEY.public


@pytest.mark.parametrize("loss", ["gone", "set back", "forged", "anchor damaged"])
def test_a_device_that_was_set_back_joins_nothing(tmp_path: Path, loss: str) -> None:
    file = tmp_path / "state-ledger" / LEDGER_FILE
    _answer(_gate(tmp_path), _request())
    before = file.read_bytes()
    _answer(_gate(tmp_path), _request(round_number=3))
    if loss == "gone":
        file.unlink()
    elif loss == "set back":
        file.write_bytes(before)
    elif loss == "forged":
        other = tmp_path / "other"
        other.mkdir()
        for number in (1, 3):
            _answer(_gate(other), _request(run="9" * 32, round_number=number))
        file.write_bytes((other / "state-ledger" / LEDGER_FILE).read_bytes())
    else:
        (tmp_path / "state" / ANCHOR_FILE).write_text("{}")

    with pytest.raises(DeclinedError, match=r"set back|whole"):
        _gate(tmp_path).admit(_request(run="3" * 32))
    with pytest.raises(LedgerError):
        _ledger(tmp_path).charges()


def test_a_backup_from_before_the_first_answer_joins_nothing(tmp_path: Path) -> None:
    _gate(tmp_path)
    anchor = tmp_path / "state" / ANCHOR_FILE
    early = anchor.read_bytes()
    _answer(_gate(tmp_path), _request())
    (tmp_path / "state-ledger" / LEDGER_FILE).unlink()
    anchor.write_bytes(early)
    with pytest.raises(DeclinedError, match="gone or was set back"):
        _gate(tmp_path).admit(_request(run="2" * 32))
    anchor.unlink()  # nor without the anchor: a device that has a key began with a ledger
    with pytest.raises(DeclinedError, match="is gone"):
        _gate(tmp_path).admit(_request(run="2" * 32))


def test_two_processes_that_trained_for_one_charge_send_one_reply(tmp_path: Path) -> None:
    first, second = _gate(tmp_path), _gate(tmp_path)
    assert first.admit(_request()) is None
    assert second.admit(_request()) is None

    sent = [gate.keep(_request(), _reply(_request(), value)) for gate, value in ((first, 1.0), (second, 2.0))]

    assert sent[0].vector is not None
    assert sent[1].vector is not None
    assert sent[0].vector.tobytes() == sent[1].vector.tobytes()


def test_what_was_answered_is_not_shown_to_a_server_that_cannot_sign(tmp_path: Path) -> None:
    policy = replace(_POLICY, servers=(_KEY.public,))
    signed = _KEY.sign(_request())
    _answer(_gate(tmp_path, policy), signed)

    for gate in (_gate(tmp_path, policy), _gate(tmp_path, None)):
        with pytest.raises(DeclinedError):
            gate.admit(replace(signed, signature=""))
    assert _gate(tmp_path, policy).admit(signed) is not None


def test_an_anchor_left_behind_by_a_kill_is_no_loss(tmp_path: Path) -> None:
    _answer(_gate(tmp_path), _request())
    anchor = (tmp_path / "state" / ANCHOR_FILE).read_bytes()
    _answer(_gate(tmp_path), _request(round_number=3))
    (tmp_path / "state" / ANCHOR_FILE).write_bytes(anchor)

    assert len(_ledger(tmp_path).charges()) == 2


def test_a_full_disk_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = _gate(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DeclinedError):
            gate.admit(_request())
    assert gate.admit(_request()) is None
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DeclinedError):
            gate.keep(_request(), _reply(_request()))
    assert len(_ledger(tmp_path).charges()) == 1


_LIVES = """
import sys
from pathlib import Path
from tests.client.test_participation import _POLICY, _USER, _answer, _gate, _request
from dataclasses import replace
root, sent = Path(sys.argv[1]), Path(sys.argv[2])
policy = replace(_POLICY, user=replace(_USER, max_epsilon_in_total=1e6))
with sent.open("a") as out:
    for number in range(int(sys.argv[3]), 10_000):
        request = _request(run=f"{number:032x}")
        reply = _answer(_gate(root, policy), request, value=number)
        out.write(f"{number}\\n")  # what has left
        out.flush()
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_anywhere_no_release_is_unrecorded(tmp_path: Path) -> None:
    """A process that answers as fast as it can is killed at random points; all that left it is on the ledger."""
    sent = tmp_path / "sent"
    sent.touch()
    rng = random.Random(0)
    for _ in range(6):
        begin = len(sent.read_text().splitlines())
        process = subprocess.Popen([sys.executable, "-c", _LIVES, str(tmp_path), str(sent), str(begin)])
        until = time.monotonic() + 60
        while len(sent.read_text().splitlines()) <= begin and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = {int(line) for line in sent.read_text().split("\n")[:-1]}
        charged = {int(charge.run, 16) for charge in _ledger(tmp_path).charges()}
        assert left <= charged
        assert len(charged - left) <= 6
    assert len(left) > 6
