"""Rosters: what an organiser signed is believed, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.secagg.enrolment import CohortRoster, Enrolled, EnrolmentError, Roster, RosterName, enrol, sign_entry
from shared.secagg.session_terms import Member
from shared.signing_key import SigningKey, SigningKeyError
from tests.secagg import public

ORGANISER = SigningKey.from_bytes(bytes(32))
MEMBERS = tuple(Member(number=number, identity=public(number)) for number in (2, 3, 5, 7))


def _roster() -> Roster:
    return enrol(ORGANISER, MEMBERS, federation="clinic", version=4)


def test_a_cohort_is_part_of_the_roster_and_its_order_that_of_numbers() -> None:
    cohort = _roster().cohort((7, 3), part=1)
    cohort.check()

    assert cohort.members == (MEMBERS[1], MEMBERS[3])
    assert cohort.name == RosterName(federation="clinic", version=4, size=4, organiser=ORGANISER.public)


def test_a_device_that_is_not_enrolled_cannot_be_asked() -> None:
    with pytest.raises(EnrolmentError, match=r"2 devices that are asked .* \(device 4 is the first\)"):
        _roster().cohort((3, 4, 6), part=0)


@pytest.mark.parametrize(
    "changed",
    [
        {"federation": "another"},
        {"version": 5},
        {"version": 3},
        {"size": 5},
        {"organiser": SigningKey.from_bytes(bytes([1]) * 32).public},
    ],
)
def test_entries_of_another_roster_are_not_believed(changed: dict[str, object]) -> None:
    cohort = _roster().cohort((2, 3), part=0)
    other = replace(cohort, name=replace(cohort.name, **changed))  # type: ignore[arg-type]

    with pytest.raises(EnrolmentError, match="did not enrol"):
        other.check()


def test_a_sybil_that_the_server_made_up_is_not_believed() -> None:
    """The server has a key of its own to sign with, and every entry there is to copy from."""
    roster = _roster()
    sybil = Member(number=11, identity=public(11))
    server = SigningKey.from_bytes(bytes([9]) * 32)
    for entry in (
        sign_entry(server, roster.name, sybil),
        Enrolled(member=sybil, signature=roster.entries[2].signature),
        Enrolled(member=replace(sybil, number=2), signature=roster.entries[2].signature),
    ):
        with pytest.raises(EnrolmentError, match="did not enrol"):
            CohortRoster(name=roster.name, part=0, entries=(entry,)).check()


def test_more_entries_than_the_roster_has_are_not_believed() -> None:
    name = replace(_roster().name, size=1)
    entries = tuple(sign_entry(ORGANISER, name, member) for member in MEMBERS)

    with pytest.raises(EnrolmentError, match="larger"):
        CohortRoster(name=name, part=0, entries=entries).check()


def test_a_roster_file_comes_back_and_a_changed_one_does_not() -> None:
    text = _roster().to_json()
    assert Roster.from_json(text).entries == _roster().entries

    said = json.loads(text)
    said["devices"][0][1] = public(12)
    with pytest.raises(EnrolmentError, match="did not enrol"):
        Roster.from_json(json.dumps(said))
    del said["devices"][0]
    with pytest.raises(EnrolmentError, match="did not enrol"):  # its size is signed too
        Roster.from_json(json.dumps(said))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"devices": 3}', '{"devices": [[1]]}', "[" * 10_000])
def test_files_that_are_no_roster_are_refused(text: str) -> None:
    with pytest.raises(EnrolmentError, match="not a roster"):
        Roster.from_json(text)


@pytest.mark.parametrize(
    "members",
    [
        (MEMBERS[0], replace(MEMBERS[1], number=2)),
        (MEMBERS[0], replace(MEMBERS[1], identity=MEMBERS[0].identity)),
        (Member(number=1, identity="ab"),),
        (Member(number=-1, identity=public(1)),),
        (Member(number=1, identity=public(1).upper()),),
    ],
)
def test_a_roster_of_doubles_or_of_none_is_not_made(members: tuple[Member, ...]) -> None:
    with pytest.raises(EnrolmentError):
        enrol(ORGANISER, members, federation="clinic", version=1)


@pytest.mark.parametrize("changed", [{"version": 0}, {"size": -1}, {"organiser": "xy"}, {"federation": "a" * 201}])
def test_a_roster_without_a_sensible_name_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(EnrolmentError):
        replace(_roster().name, **changed)  # type: ignore[arg-type]


def test_everything_a_device_is_told_of_its_cohort_is_in_the_digest() -> None:
    cohort = _roster().cohort((2, 3, 5), part=0)
    others = [
        replace(cohort, part=1),
        replace(cohort, entries=cohort.entries[:2]),
        replace(cohort, name=replace(cohort.name, version=5)),
        replace(cohort, entries=(*cohort.entries[:2], replace(cohort.entries[2], signature="0" * 128))),
    ]

    assert len({cohort.digest, *(other.digest for other in others)}) == 5


def test_a_key_of_another_length_is_none() -> None:
    with pytest.raises(SigningKeyError, match="32 bytes"):
        SigningKey.from_bytes(bytes(31))
    assert SigningKey.from_bytes(ORGANISER.to_bytes()).public == ORGANISER.public
