from __future__ import annotations

from contextlib import suppress
from typing import Literal

import pytest
from flwr.app import ConfigRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from shared.records import MessageError
from shared.secagg.enrolment import enrol
from shared.secagg.session_terms import Member
from shared.secagg_messages import StageReply, StageRequest, cohort_of, cohort_record
from shared.signing_key import SigningKey
from tests.secagg import public

REQUEST = StageRequest(run="0" * 32, round_number=2, attempt=1, device=7, stage="mask", body=b"what is handed on")
COHORT = enrol(
    SigningKey.from_bytes(bytes(32)),
    [Member(number=number, identity=public(number)) for number in (1, 4, 9)],
    federation="clinic",
    version=3,
).cohort((1, 4, 9), part=2)


def test_stages_and_their_answers_come_back() -> None:
    again = StageRequest.from_record(REQUEST.to_record())
    reply = StageReply(status="answered", request_digest=again.digest(), body=b"masked")

    assert again == REQUEST
    assert again.digest() == REQUEST.digest()
    assert StageReply.from_record(reply.to_record()) == reply


@given(
    st.sampled_from(["run", "round", "attempt", "device", "stage", "body", "schema"]),
    st.one_of(st.none(), st.integers(-3, 2**64), st.text(max_size=5), st.binary(max_size=5), st.booleans()),
)
def test_a_stage_with_any_other_value_is_refused_or_another_request(key: str, value: object) -> None:
    record = REQUEST.to_record()
    said: dict[str, object] = dict(record.config_records["stage"])
    said[key] = value
    if value is None:
        del said[key]
    try:
        changed = RecordDict({"stage": ConfigRecord(said)})  # type: ignore[arg-type]
    except TypeError:
        return  # Flower itself refuses to hold it
    with suppress(MessageError):
        again = StageRequest.from_record(changed)
        assert (again.digest() == REQUEST.digest()) == (again == REQUEST)


def test_an_error_quotes_nothing() -> None:
    record = REQUEST.to_record()
    record.config_records["stage"]["stage"] = "a stage that quotes"
    with pytest.raises(MessageError) as raised:
        StageRequest.from_record(record)
    assert "quotes" not in str(raised.value)


@pytest.mark.parametrize("status", ["fine", ""])
def test_an_answer_of_another_status_is_refused(status: Literal["answered"]) -> None:
    with pytest.raises(MessageError, match="status"):
        StageReply.from_record(StageReply(status=status, request_digest="").to_record())


def test_a_cohort_comes_back_as_it_was_signed() -> None:
    again = cohort_of(RecordDict({"cohort": cohort_record(COHORT)}))
    again.check()

    assert again == COHORT


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("numbers", [1, 4]),
        ("numbers", []),
        ("numbers", [1, 4, 2**63]),
        ("numbers", ["1", "4", "9"]),
        ("identities", bytes(95)),
        ("signatures", bytes(191)),
        ("version", 0),
        ("organiser", "ab"),
        ("part", -1),
        ("schema", 2),
    ],
)
def test_a_cohort_that_cannot_be_is_refused(key: str, value: object) -> None:
    said = dict(cohort_record(COHORT))
    said[key] = value  # type: ignore[assignment]
    with pytest.raises(MessageError, match=r"^cohort"):
        cohort_of(RecordDict({"cohort": ConfigRecord(said)}))
