from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from client.device import DeclinedError
from client.known_peers import FIRST_USE, PEERS_FILE, KnownPeers
from shared.secagg.enrolment import CohortRoster, enrol
from shared.secagg.session_terms import Member
from shared.signing_key import SigningKey
from tests.secagg import public

ORGANISER, ANOTHER = (SigningKey.from_bytes(bytes([one]) * 32) for one in (1, 2))


def _cohort(
    *numbers: int, version: int = 3, organiser: SigningKey = ORGANISER, federation: str = "clinic", moved: int = -1
) -> CohortRoster:
    members = [
        Member(number=number, identity=public(number + 100 * (number == moved))) for number in numbers or (1, 2, 3)
    ]
    roster = enrol(organiser, members, federation=federation, version=version)
    return roster.cohort([member.number for member in members], part=0)


def _met(path: Path, cohort: CohortRoster, organiser: str = ORGANISER.public) -> KnownPeers:
    peers = KnownPeers(path)
    peers.check(cohort, organiser=organiser)
    peers.remember(cohort, organiser=organiser)
    return KnownPeers(path)


def test_who_was_met_may_come_again_and_newcomers_too(tmp_path: Path) -> None:
    peers = _met(tmp_path, _cohort(1, 2, 3))

    peers.check(_cohort(2, 3, 4), organiser=ORGANISER.public)
    assert (tmp_path / PEERS_FILE).stat().st_mode & 0o077 == 0


def test_another_organiser_than_the_policy_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclinedError, match="another organiser"):
        KnownPeers(tmp_path).check(_cohort(organiser=ANOTHER), organiser=ORGANISER.public)


def test_on_first_use_the_first_organiser_is_pinned(tmp_path: Path) -> None:
    peers = _met(tmp_path, _cohort(), organiser=FIRST_USE)

    peers.check(_cohort(4, 5), organiser=FIRST_USE)
    with pytest.raises(DeclinedError, match="another organiser"):
        peers.check(_cohort(organiser=ANOTHER), organiser=FIRST_USE)


def test_a_user_who_names_another_organiser_starts_afresh(tmp_path: Path) -> None:
    peers = _met(tmp_path, _cohort(version=9))

    peers.check(_cohort(version=1, organiser=ANOTHER, federation="else"), organiser=ANOTHER.public)


def test_an_identity_that_changes_in_silence_is_refused_and_with_a_newer_roster_is_not(tmp_path: Path) -> None:
    peers = _met(tmp_path, _cohort(version=3))

    with pytest.raises(DeclinedError, match="device 2 has another identity"):
        peers.check(_cohort(version=3, moved=2), organiser=ORGANISER.public)
    peers.check(_cohort(version=4, moved=2), organiser=ORGANISER.public)


def test_a_roster_that_is_older_than_one_that_was_seen_is_refused(tmp_path: Path) -> None:
    """Who left the federation with version 4 must not come back by way of version 3."""
    peers = _met(tmp_path, _cohort(version=4))

    with pytest.raises(DeclinedError, match="version 3, and version 4 was seen"):
        peers.check(_cohort(version=3), organiser=ORGANISER.public)
    with pytest.raises(DeclinedError, match="another federation"):
        peers.check(_cohort(version=5, federation="else"), organiser=ORGANISER.public)


def test_a_request_that_was_checked_before_a_newer_roster_was_met_sets_nothing_back(tmp_path: Path) -> None:
    older = KnownPeers(tmp_path)
    older.check(_cohort(version=3), organiser=ORGANISER.public)
    _met(tmp_path, _cohort(version=4))

    with pytest.raises(DeclinedError, match="version 3, and version 4 was seen"):
        older.remember(_cohort(version=3), organiser=ORGANISER.public)


def test_a_cohort_that_was_not_signed_is_refused(tmp_path: Path) -> None:
    cohort = _cohort()
    forged = replace(cohort, entries=(replace(cohort.entries[0], signature="0" * 128), *cohort.entries[1:]))

    with pytest.raises(DeclinedError, match="did not enrol"):
        KnownPeers(tmp_path).check(forged, organiser=ORGANISER.public)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"organiser": "", "federation": "", "version": 1, "peers": 3}'])
def test_a_damaged_memory_joins_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / PEERS_FILE).write_text(content)

    with pytest.raises(DeclinedError, match="damaged"):
        KnownPeers(tmp_path).check(_cohort(), organiser=ORGANISER.public)


def test_a_cohort_that_cannot_be_remembered_is_declined(tmp_path: Path) -> None:
    with pytest.raises(DeclinedError, match="cannot be remembered"):
        KnownPeers(tmp_path / "nowhere").remember(_cohort(), organiser=FIRST_USE)
