"""Keys of a session: the same on both sides, and bound to everything that they are for."""

from __future__ import annotations

import os

import pytest

from shared.secagg.session_keys import Sealer, SealError, SecretKey, check_public_key, commitment_to, mask_key

CONTEXT = bytes(32)
ANOTHER = bytes([1]) * 32
ONE, OTHER = SecretKey(bytes([3]) * 32), SecretKey(bytes([4]) * 32)


def test_two_members_derive_one_mask_key_and_no_other_session_or_pair_shares_it() -> None:
    mine = mask_key(ONE, OTHER.public, context=CONTEXT, one=7, other=9)
    theirs = mask_key(OTHER, ONE.public, context=CONTEXT, one=9, other=7)

    assert mine == theirs
    assert mine != mask_key(ONE, OTHER.public, context=ANOTHER, one=7, other=9)
    assert mine != mask_key(ONE, OTHER.public, context=CONTEXT, one=7, other=8)


def test_a_commitment_is_to_one_key_in_one_session() -> None:
    assert (
        len({commitment_to(key, context=of) for key in (bytes(32), bytes([1]) * 32) for of in (CONTEXT, ANOTHER)}) == 4
    )


@pytest.mark.parametrize(
    "opener",
    [
        {"context": ANOTHER},
        {"me": 8},
        {"other": 8},
        {"me": 7, "other": 9},  # sent back to its sender, who must not take it for the peer's
    ],
)
def test_sealed_shares_open_for_their_peer_in_their_session_alone(opener: dict[str, object]) -> None:
    sealed = Sealer(ONE, OTHER.public, context=CONTEXT, me=7, other=9).seal(5, 6, keys=b"k", entropy=os.urandom)
    of_peer: dict[str, object] = {"context": CONTEXT, "me": 9, "other": 7}

    assert Sealer(OTHER, ONE.public, **of_peer).open(sealed, keys=b"k") == (5, 6)  # type: ignore[arg-type]
    with pytest.raises(SealError):
        Sealer(OTHER, ONE.public, **of_peer).open(sealed, keys=b"other keys")  # type: ignore[arg-type]
    with pytest.raises(SealError):
        Sealer(OTHER, ONE.public, **(of_peer | opener)).open(sealed, keys=b"k")  # type: ignore[arg-type]


def test_keys_of_low_order_are_refused() -> None:
    with pytest.raises(SealError):
        check_public_key(bytes(32))
    check_public_key(ONE.public)
