"""A server, peers or a network that lie: what each lie comes to."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import itemgetter

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.secagg import layouts
from shared.secagg.device_session import DeviceSecrets, DeviceSession, SessionRefusedError
from shared.secagg.layouts import Advertisement
from shared.secagg.server_session import ServerSession, SessionAbortedError
from shared.secagg.session_terms import Member, SessionTerms
from tests.secagg import STAGES, Cohort, changed, identity, public, terms


def _advertised(of: SessionTerms) -> tuple[Cohort, dict[int, Advertisement]]:
    """A cohort after its first stage."""
    cohort = Cohort(of)
    said = cohort.ask("advertise", {member.number: b"" for member in of.members}, cohort.advertise)
    return cohort, {number: layouts.parse_advertisement(one) for number, one in said.items()}


def _shares(cohort: Cohort, number: int, advertised: dict[int, Advertisement]) -> bytes:
    return cohort.sessions[number].share(layouts.join_advertisements(advertised.values()), entropy=os.urandom)


def _fresh_key() -> bytes:
    return X25519PrivateKey.generate().public_key().public_bytes_raw()


@pytest.mark.parametrize("key", ["sealing_key", "masking_key", "commitment"])
def test_a_server_that_swaps_a_key_is_refused(key: str) -> None:
    cohort, advertised = _advertised(terms())
    advertised[5] = replace(advertised[5], **{key: _fresh_key()})  # type: ignore[arg-type]  # the names are above

    with pytest.raises(SessionRefusedError, match="has not signed"):
        _shares(cohort, 1, advertised)


@pytest.mark.parametrize("other", [{"round_number": 1}, {"attempt": 2}, {"run": "1" * 32}, {"part": 1}])
def test_keys_of_another_session_are_refused(other: dict[str, object]) -> None:
    _, earlier = _advertised(changed(terms(), **other))
    cohort, advertised = _advertised(terms())

    with pytest.raises(SessionRefusedError, match="has not signed"):
        _shares(cohort, 1, advertised | {5: earlier[5]})


@pytest.mark.parametrize("other", [{"model": "another"}, {"plan": "another"}, {"bits": 17}, {"threshold": 4}])
def test_a_server_that_tells_one_device_something_else_cannot_use_what_it_says(other: dict[str, object]) -> None:
    """The honest server counts it as vanished; a lying one is refused by everyone else."""
    cohort, advertised = _advertised(terms())
    misled, of_misled = DeviceSession.begin(
        changed(terms(), **other), number=5, identity=identity(5), entropy=os.urandom
    )
    shown = advertised | {5: layouts.parse_advertisement(of_misled)}

    keys = cohort.server.show_keys({number: one.to_bytes() for number, one in shown.items()})
    assert 5 not in keys
    with pytest.raises(SessionRefusedError, match="has not signed"):
        _shares(cohort, 1, shown)
    with pytest.raises(SessionRefusedError, match="has not signed"):
        misled.share(layouts.join_advertisements(shown.values()), entropy=os.urandom)


def test_strangers_are_refused_wherever_they_turn_up() -> None:
    """A Sybil is no member: it has no place in the terms, whatever it signs."""
    cohort, advertised = _advertised(terms())
    of_stranger = terms((1, 4, 5, 7))
    _, said = DeviceSession.begin(of_stranger, number=7, identity=identity(7), entropy=os.urandom)
    with pytest.raises(SessionRefusedError, match="strangers"):
        _shares(cohort, 1, {n: advertised[n] for n in (1, 4, 5)} | {7: layouts.parse_advertisement(said)})

    cohort = Cohort(terms())
    shown = cohort.confirmed()
    with pytest.raises(SessionRefusedError, match="not in it"):
        cohort.sessions[1].reveal(shown[1][:-72] + layouts.join_entries({11: bytes(64)}))


def test_a_device_under_another_identity_enters_no_session() -> None:
    with pytest.raises(SessionRefusedError, match="own identity"):
        DeviceSession.begin(terms(), number=4, identity=identity(5), entropy=os.urandom)
    with pytest.raises(SessionRefusedError, match="own identity"):
        DeviceSession.begin(terms(), number=2, identity=identity(2), entropy=os.urandom)
    swapped = changed(terms(), members=(*terms().members[:3], Member(number=9, identity=public(8))))
    with pytest.raises(SessionRefusedError, match="own identity"):
        DeviceSession.begin(swapped, number=9, identity=identity(9), entropy=os.urandom)


def test_secrets_of_one_session_open_no_other() -> None:
    cohort, _ = _advertised(terms())
    with pytest.raises(SessionRefusedError, match="not the one"):
        DeviceSession(changed(terms(), attempt=2), number=1, identity=identity(1), secrets=cohort.sessions[1].secrets)


def test_a_device_that_was_left_out_or_changed_is_not_fooled() -> None:
    cohort, advertised = _advertised(terms())
    without = {number: one for number, one in advertised.items() if number != 1}
    with pytest.raises(SessionRefusedError, match="left out or changed"):
        _shares(cohort, 1, without)
    _, again = DeviceSession.begin(terms(), number=1, identity=identity(1), entropy=os.urandom)
    with pytest.raises(SessionRefusedError, match="left out or changed"):
        _shares(cohort, 1, advertised | {1: layouts.parse_advertisement(again)})


def test_members_with_one_key_are_left_out_by_the_server_and_refused_by_devices() -> None:
    of = terms(range(1, 7), threshold=4)
    cohort, advertised = _advertised(of)
    unsigned = replace(advertised[6], masking_key=advertised[5].masking_key)
    copied = replace(unsigned, signature=identity(6).sign(unsigned.statement(of.context)))
    advertised[6] = copied

    with pytest.raises(SessionRefusedError, match="one key"):
        _shares(cohort, 1, advertised)
    assert sorted(cohort.server.show_keys({n: one.to_bytes() for n, one in advertised.items()})) == [1, 2, 3, 4]


def test_a_member_with_a_key_of_low_order_is_left_out_by_the_server_and_refused_by_devices() -> None:
    of = terms()
    cohort, advertised = _advertised(of)
    unsigned = replace(advertised[5], sealing_key=bytes(32))
    advertised[5] = replace(unsigned, signature=identity(5).sign(unsigned.statement(of.context)))

    with pytest.raises(SessionRefusedError, match="cannot be used"):
        _shares(cohort, 1, advertised)
    assert sorted(cohort.server.show_keys({n: one.to_bytes() for n, one in advertised.items()})) == [1, 4, 9]


def _tampered(stage: str, change: Callable[[bytes], bytes]) -> SessionRefusedError:
    """What device 1 says when the server changes what it shows it at a stage."""
    cohort = Cohort(terms(range(1, 7), threshold=4))
    cohort.to_device = lambda at, number, said: change(said) if (at, number) == (stage, 1) else said
    with pytest.raises(SessionRefusedError) as raised:
        cohort.run()
    return raised.value


def test_cohorts_cut_down_at_any_stage_are_refused() -> None:
    """A server that wants one device's vector claims that the others have vanished."""
    entry = {"share": 168, "mask": 8 + layouts.SEALED_BYTES, "confirm": 8, "reveal": 72}
    left = {"share": 3, "mask": 2, "confirm": 3, "reveal": 3}
    reasons = {stage: str(_tampered(stage, itemgetter(slice(left[stage] * entry[stage])))) for stage in entry}

    assert reasons == {
        "share": "too few members are there",
        "mask": "too few members shared their secrets",
        "confirm": "too few members are in the sum to hide this one",
        "reveal": "too few members have confirmed the sum",
    }


def test_a_server_that_tells_different_survivors_to_different_devices_gets_no_shares() -> None:
    """Half is told that 6 vanished, the other that 5 did: both kinds of shares would give away 5 and 6."""
    cohort = Cohort(terms(range(1, 7), threshold=4))
    everyone = dict.fromkeys(range(1, 7), b"")
    keys = cohort.server.show_keys(cohort.ask("advertise", everyone, cohort.advertise))
    shares = cohort.ask("share", keys, lambda n, said: cohort.sessions[n].share(said, entropy=os.urandom))
    cohort.ask("mask", cohort.server.hand_shares(shares), cohort.mask)
    told = {1: (1, 2, 3, 4, 5), 2: (1, 2, 3, 4, 5), 3: (1, 2, 3, 4, 6), 4: (1, 2, 3, 4, 6)}
    signed = {n: cohort.sessions[n].confirm(layouts.join_numbers(claimed)) for n, claimed in told.items()}

    for number in told:
        with pytest.raises(SessionRefusedError, match="another sum"):
            cohort.sessions[number].reveal(layouts.join_entries(signed))
        agreeing = {n: one for n, one in signed.items() if told[n] == told[number]}
        with pytest.raises(SessionRefusedError, match="too few members have confirmed"):
            cohort.sessions[number].reveal(layouts.join_entries(agreeing))


def test_a_server_that_hands_shares_of_different_members_to_different_devices_gets_no_shares() -> None:
    """The sets of those who shared are signed too: a mask that one device adds and another does not is a trick."""
    cohort = Cohort(terms(range(1, 7), threshold=4))
    each = 8 + layouts.SEALED_BYTES
    everyone = dict.fromkeys(range(1, 7), b"")
    keys = cohort.server.show_keys(cohort.ask("advertise", everyone, cohort.advertise))
    shares = cohort.ask("share", keys, lambda n, said: cohort.sessions[n].share(said, entropy=os.urandom))
    handed = cohort.server.hand_shares(shares)
    cohort.ask("mask", handed | {1: handed[1][:-each]}, cohort.mask)

    with pytest.raises(SessionRefusedError, match="strangers"):
        cohort.sessions[1].confirm(layouts.join_numbers(range(1, 7)))
    claimed = layouts.join_numbers(range(1, 6))
    signed = {number: cohort.sessions[number].confirm(claimed) for number in range(1, 6)}
    for number in range(1, 6):
        with pytest.raises(SessionRefusedError, match="another sum"):
            cohort.sessions[number].reveal(layouts.join_entries(signed))


def test_a_member_that_confirms_another_sum_ends_the_session() -> None:
    cohort = Cohort(terms(range(1, 7), threshold=4))
    cohort.to_server = lambda at, number, said: bytes(64) if (at, number) == ("confirm", 2) else said

    with pytest.raises(SessionAbortedError, match="another sum"):
        cohort.run()


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_is_passed_once(stage: str) -> None:
    cohort = Cohort(terms())
    asked: list[tuple[int, bytes]] = []

    def remember(at: str, number: int, said: bytes) -> bytes:
        if at == stage:
            asked.append((number, said))
        return said

    cohort.to_device = remember
    cohort.run()
    number, request = asked[0]
    session = cohort.sessions[number]
    again: dict[str, Callable[[], bytes]] = {
        "share": lambda: session.share(request, entropy=os.urandom),
        "mask": lambda: cohort.mask(number, request),
        "confirm": lambda: session.confirm(request),
        "reveal": lambda: session.reveal(request),
    }
    with pytest.raises(SessionRefusedError, match="past or before"):
        again[stage]()


def test_stages_are_not_skipped() -> None:
    cohort, _ = _advertised(terms())
    session = cohort.sessions[1]
    early: list[Callable[[bytes], bytes]] = [partial(cohort.mask, 1), session.confirm, session.reveal]
    for stage in early:
        with pytest.raises(SessionRefusedError, match="past or before"):
            stage(b"")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_messages_are_refused_and_never_half_believed(data: st.DataObject) -> None:
    """Cut or flipped, to a device or to the server: a refusal, an abort, or one member fewer."""
    stage = data.draw(st.sampled_from(STAGES[1:]))
    to_device = data.draw(st.booleans())
    # A masked vector cannot be checked by anyone, which is what it is for: only its length can.
    flips = not (stage == "mask" and not to_device)
    cohort = Cohort(terms(range(1, 7), threshold=4))

    def damage(at: str, number: int, said: bytes) -> bytes:
        if (at, number) != (stage, 2) or not said:
            return said
        place = data.draw(st.integers(0, len(said) - 1))
        if not flips or data.draw(st.booleans()):
            return said[:place]
        return said[:place] + bytes([said[place] ^ (1 << data.draw(st.integers(0, 7)))]) + said[place + 1 :]

    if to_device:
        cohort.to_device = damage
    else:
        cohort.to_server = damage
    try:
        total = cohort.run()
    except (SessionRefusedError, SessionAbortedError):
        return
    lost = {2} if stage in ("share", "mask") and not to_device else set()
    expected = sum(vector for number, vector in cohort.vectors.items() if number not in lost)
    everyone = sum(cohort.vectors.values())
    assert np.array_equal(total, expected) or np.array_equal(total, everyone)


@pytest.mark.parametrize("stage", STAGES[1:])
def test_messages_with_more_entries_than_members_are_not_taken_apart(stage: str) -> None:
    size = {"share": 168, "mask": 8 + layouts.SEALED_BYTES, "confirm": 8, "reveal": 72}[stage]
    many = b"".join(number.to_bytes(8, "big") + bytes(size - 8) for number in range(100_000))
    tracemalloc.start()
    try:
        reason = _tampered(stage, lambda _: many)
        assert "another length" in str(reason)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("what", ["truncated", "of a stranger's secret", "wrong", "out of the field"])
def test_forged_shares_end_the_session_and_name_the_stage(what: str) -> None:
    cohort = Cohort(terms(range(1, 5), threshold=4, corrupt=1))

    def forge(stage: str, number: int, said: bytes) -> bytes:
        if (stage, number) != ("reveal", 3):
            return said
        shares = layouts.parse_shares(said, most=4)
        if what == "truncated":
            return said[:-1]
        if what == "of a stranger's secret":
            return layouts.join_shares({77: shares[1]})
        shares[1] = shares[1] ^ 1 if what == "wrong" else 2**264 - 1
        return layouts.join_shares(shares)

    cohort.to_server = forge
    with pytest.raises(SessionAbortedError) as raised:
        cohort.run()
    assert raised.value.stage == "unmasking"
    assert "3" not in str(raised.value).replace("3 of 4", "")


def test_a_member_whose_shares_do_not_open_is_made_up_for_by_others() -> None:
    """Member 2 seals rubbish for 1: 1 stays silent about it, and enough others know."""
    cohort = Cohort(terms(range(1, 7), threshold=4))

    def garble(stage: str, number: int, said: bytes) -> bytes:
        return said[:20] + bytes(8) + said[28:] if (stage, number) == ("share", 2) else said

    cohort.to_server = garble
    np.testing.assert_array_equal(cohort.run(), cohort.expected())


def test_a_server_adds_nobody_twice_and_no_stranger() -> None:
    cohort = Cohort(terms())
    cohort.confirmed()
    masked = next(said for stage, number, said in cohort.transcript if (stage, number) == ("from mask", 4))

    assert not cohort.server.add(4, masked)
    assert not cohort.server.add(77, masked)
    assert not ServerSession(terms()).add(4, masked)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"stage": "advertised"}', b"\xff"])
def test_damaged_secrets_end_the_session(data: bytes) -> None:
    with pytest.raises(SessionRefusedError, match="damaged"):
        DeviceSecrets.from_bytes(data)


def test_a_vector_of_another_session_is_not_masked() -> None:
    cohort = Cohort(terms())
    cohort.vectors[1] = np.zeros(6, dtype=np.int64)
    with pytest.raises(SessionRefusedError, match="not of this session"):
        cohort.run()
