"""A device's sessions, in real files: answered once, whoever restarts, and empty of secrets in the end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.device import DeclinedError
from client.privacy_ledger import PrivacyLedger
from client.secure_aggregation import SecureSessions
from shared.messages import TrainRequest
from shared.plan_sessions import session_of
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.round_plan import FederationPlan
from shared.secagg.enrolment import enrol
from shared.secagg.server_session import ServerSession
from shared.secagg.session_terms import Member
from shared.secagg_messages import SecureStage, StageRequest
from shared.signing_key import SigningKey
from tests.secagg import identity, public

NUMBERS, RUN = (1, 2, 3, 4, 5), "1" * 32
PLAN = FederationPlan(
    user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=0.5, participations=1),
    secure_aggregation=SecureAggregationTerms(dropout=0.2, corrupt=0.0),
    sampling="schedule",
    cohort_size=5,
    devices=20,
    rounds=3,
)
COHORT = enrol(
    SigningKey.from_bytes(bytes(32)),
    [Member(number=number, identity=public(number)) for number in NUMBERS],
    federation="clinic",
    version=1,
).cohort(NUMBERS, part=0)
UPDATE = np.linspace(-0.1, 0.1, 40, dtype=np.float32)


def _request(device: int, **changes: object) -> TrainRequest:
    values: dict[str, object] = {
        "run": RUN, "device": device, "round_number": 1, "attempt": 1, "plan": PLAN, "spec_digest": "a",
        "base_fingerprint": "b", "training_seed": 0, "vector": np.zeros(UPDATE.size, dtype=np.float32),
        "cohort": COHORT,
    }  # fmt: skip
    return TrainRequest(**(values | changes))  # type: ignore[arg-type]


def _sessions(path: Path, device: int) -> SecureSessions:
    """Opened anew for every message, as by a process of its own."""
    return SecureSessions(path / str(device), device_key=bytes([device]) * 32, identity=SigningKey(identity(device)))


def _stage(device: int, stage: SecureStage, body: bytes, **changes: object) -> StageRequest:
    values: dict[str, object] = {
        "run": RUN, "round_number": 1, "attempt": 1, "device": device, "stage": stage, "body": body
    }  # fmt: skip
    return StageRequest(**(values | changes))  # type: ignore[arg-type]


def _entered(path: Path) -> tuple[ServerSession, dict[int, bytes]]:
    """Every device in a session, and what each is shown next."""
    server = ServerSession(session_of(_request(1), dimension=UPDATE.size)[0])
    keys = {number: _sessions(path, number).enter(_request(number), UPDATE) for number in NUMBERS}
    return server, server.show_keys(keys)


def _run(path: Path, lost: tuple[int, ...] = ()) -> tuple[ServerSession, dict[int, bytes], list[StageRequest]]:
    """Up to the last stage: what each is shown there, and every request of device 1."""
    server, shown = _entered(path)
    asked: list[StageRequest] = []

    def say(stage: SecureStage, waiting: dict[int, bytes]) -> dict[int, bytes]:
        asked.append(_stage(1, stage, waiting[1]))
        return {
            number: _sessions(path, number).answer(_stage(number, stage, body))
            for number, body in waiting.items()
            if not (stage == "mask" and number in lost)
        }

    for number, masked in say("mask", server.hand_shares(say("share", shown))).items():
        assert server.add(number, masked)
    shown = server.show_confirmations(say("confirm", server.survivors()))
    asked.append(_stage(1, "reveal", shown[1]))
    return server, shown, asked


def test_devices_that_restart_between_all_stages_give_the_noised_sum(tmp_path: Path) -> None:
    server, shown, _ = _run(tmp_path, lost=(4,))
    total = server.unmask({n: _sessions(tmp_path, n).answer(_stage(n, "reveal", body)) for n, body in shown.items()})
    _, encoding = session_of(_request(1), dimension=UPDATE.size)

    error = encoding.decode(total) - 4 * UPDATE
    assert 0 < np.abs(error).max() < 6 * encoding.noise_std(4)


def test_the_same_words_get_the_same_bytes_at_every_stage_and_others_get_none(tmp_path: Path) -> None:
    _, _, asked = _run(tmp_path)
    for request in asked:
        first = _sessions(tmp_path, 1).answer(request)
        assert _sessions(tmp_path, 1).answer(request) == first
        with pytest.raises(DeclinedError, match="other words"):
            _sessions(tmp_path, 1).answer(replace(request, body=request.body[:-1]))


def test_a_stage_before_its_time_or_of_another_device_is_declined(tmp_path: Path) -> None:
    _entered(tmp_path)
    with pytest.raises(DeclinedError, match="past or before"):
        _sessions(tmp_path, 1).answer(_stage(1, "reveal", b""))
    with pytest.raises(DeclinedError, match="another device"):
        _sessions(tmp_path, 1).answer(_stage(2, "share", b""))


@pytest.mark.parametrize("other", [{"round_number": 2}, {"attempt": 2}, {"run": "2" * 32}])
def test_a_session_that_was_never_entered_or_is_lost_is_declined(tmp_path: Path, other: dict[str, object]) -> None:
    _, shown = _entered(tmp_path)
    with pytest.raises(DeclinedError, match="no such session"):
        _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1], **other))
    for file in (tmp_path / "1").glob("*.session"):
        file.unlink()
    with pytest.raises(DeclinedError, match="no such session"):
        _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1]))


def test_a_session_file_is_sealed_damaged_ones_are_declined_and_moved_ones_too(tmp_path: Path) -> None:
    _, shown = _entered(tmp_path)
    (file,) = (tmp_path / "1").glob("*.session")
    sealed = file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    assert b"masking_secret" not in sealed

    for damaged in (b"", sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        file.write_bytes(damaged)
        with pytest.raises(DeclinedError, match="damaged"):
            _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1]))
    file.with_name(f"{RUN}-2-1.session").write_bytes(sealed)
    with pytest.raises(DeclinedError, match="damaged"):
        _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1], round_number=2))


def test_a_refused_stage_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    _, shown = _entered(tmp_path)
    with pytest.raises(DeclinedError, match="too few"):
        _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1][: 3 * 168]))

    assert _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1]))


def test_the_update_is_nowhere_once_it_was_masked_and_no_secret_once_all_is_over(tmp_path: Path) -> None:
    _, _, asked = _run(tmp_path)
    sessions = _sessions(tmp_path, 1)
    file = tmp_path / "1" / f"{RUN}-1-1.session"
    before = sessions._read(file)
    assert before.vector == b""
    assert any(before.secrets.masking_secret)

    sessions.answer(asked[-1])
    after = sessions._read(file)
    assert after.secrets.stage == "revealed"
    assert not any(after.secrets.masking_secret)
    assert not after.secrets.sealed


def test_a_session_is_open_until_its_last_word_or_until_it_has_been_silent_for_long(tmp_path: Path) -> None:
    assert not _sessions(tmp_path, 1).is_open(within=60.0)
    _, _, asked = _run(tmp_path)
    sessions = _sessions(tmp_path, 1)
    assert sessions.is_open(within=60.0)
    file = tmp_path / "1" / f"{RUN}-1-1.session"
    os.utime(file, (file.stat().st_mtime - 61,) * 2)
    assert not sessions.is_open(within=60.0)
    sessions.answer(asked[-1])
    assert not sessions.is_open(within=60.0)


def test_a_simulated_device_leaves_no_file(tmp_path: Path) -> None:
    _, _, asked = _run(tmp_path)
    sessions = SecureSessions(
        tmp_path / "1", device_key=bytes([1]) * 32, identity=SigningKey(identity(1)), lasting=False
    )
    assert sessions.answer(asked[-1])
    assert not list((tmp_path / "1").glob("*.session"))


def test_a_new_round_ends_the_sessions_before_it(tmp_path: Path) -> None:
    sessions = _sessions(tmp_path, 1)
    for number in (1, 2):
        sessions.enter(_request(1, round_number=number), UPDATE)
    sessions.enter(_request(1, run="2" * 32), UPDATE)

    assert sorted(file.name for file in (tmp_path / "1").glob("*.session")) == [
        f"{RUN}-2-1.session", f"{'2' * 32}-1-1.session",
    ]  # fmt: skip


def test_two_processes_that_trained_for_one_request_enter_one_session(tmp_path: Path) -> None:
    """The second must not take the keys from under the first, whose reply may have been sent."""
    _, shown = _entered(tmp_path)
    said = _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1]))
    keys = _sessions(tmp_path, 1).enter(_request(1), 2 * UPDATE)

    assert keys in shown[1]
    assert _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1])) == said


def test_sessions_have_keys_and_noise_of_their_own(tmp_path: Path) -> None:
    vectors, keys = set(), set()
    for name in "abc":
        sessions = _sessions(tmp_path / name, 1)
        keys.add(sessions.enter(_request(1), UPDATE))
        vectors.add(sessions._read(tmp_path / name / "1" / f"{RUN}-1-1.session").vector)

    assert len(keys) == len(vectors) == 3


def _with_ledger(path: Path) -> SecureSessions:
    """Device 1 as it is installed: what it answers is in its ledger, too."""
    ledger = PrivacyLedger(directory=path / "1", anchor_directory=path / "state")
    (path / "state").mkdir(parents=True, exist_ok=True)
    ledger.begin()
    return SecureSessions(path / "1", device_key=bytes([1]) * 32, identity=SigningKey(identity(1)), ledger=ledger)


def test_a_session_that_was_set_back_says_nothing_more(tmp_path: Path) -> None:
    """With an older file it would confirm another sum than it did, and give out the other half of the shares."""
    _, shown = _entered(tmp_path)
    file = tmp_path / "1" / f"{RUN}-1-1.session"
    older = file.read_bytes()
    said = _with_ledger(tmp_path).answer(_stage(1, "share", shown[1]))
    newer = file.read_bytes()

    file.write_bytes(older)
    with pytest.raises(DeclinedError, match="set back"):
        _with_ledger(tmp_path).answer(_stage(1, "share", shown[1]))
    file.write_bytes(newer)
    assert _with_ledger(tmp_path).answer(_stage(1, "share", shown[1])) == said
    ledger = tmp_path / "1" / "ledger.jsonl"
    ledger.write_text(ledger.read_text().splitlines(keepends=True)[0])
    with pytest.raises(DeclinedError, match="set back"):
        _with_ledger(tmp_path).answer(_stage(1, "share", shown[1]))


def test_an_answer_that_was_kept_and_not_yet_recorded_is_recorded_before_it_is_sent(tmp_path: Path) -> None:
    """Killed in between, the device had sent nothing."""
    _, shown = _entered(tmp_path)
    said = _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1]))  # as far as the file, and not to the ledger

    assert _with_ledger(tmp_path).answer(_stage(1, "share", shown[1])) == said
    ledger = PrivacyLedger(directory=tmp_path / "1", anchor_directory=tmp_path / "state")
    assert ledger.stages(_stage(1, "share", b"")) == ("share",)


def test_an_earlier_attempt_that_is_entered_late_ends_no_later_one(tmp_path: Path) -> None:
    sessions = _sessions(tmp_path, 1)
    for attempt in (2, 1):
        sessions.enter(_request(1, attempt=attempt), UPDATE)

    assert (tmp_path / "1" / f"{RUN}-1-2.session").exists()


def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    _, shown = _entered(tmp_path)
    (tmp_path / "1" / f".{RUN}-1-1.session.abcd").write_bytes(b"half a file")
    old = tmp_path / "1" / f"{'3' * 32}-1-1.session"
    old.write_bytes(b"a session of last month")
    os.utime(old, (0, 0))
    _sessions(tmp_path, 1).answer(_stage(1, "share", shown[1]))

    left = [file.name for file in (tmp_path / "1").iterdir() if ".session" in file.name]
    assert left == [f"{RUN}-1-1.session"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": 9}, "own identity"),
        ({"device": 2}, "own identity"),
        ({"cohort": None}, "not aggregate securely"),
        ({"cohort": replace(COHORT, entries=COHORT.entries[:1])}, "larger cohorts"),
        ({"cohort": replace(COHORT, entries=COHORT.entries[::-1])}, "ascending"),
    ],
)
def test_a_session_that_protects_nobody_is_not_entered(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(DeclinedError, match=reason):
        _sessions(tmp_path, 1).enter(replace(_request(1), **changes), UPDATE)  # type: ignore[arg-type]
    assert not list((tmp_path / "1").glob("*.session"))


def test_an_update_that_holds_nan_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(DeclinedError, match="NaN"):
        _sessions(tmp_path, 1).enter(_request(1), UPDATE * np.float32(np.nan))
