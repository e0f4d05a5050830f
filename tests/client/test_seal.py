from __future__ import annotations

import pytest

from client.seal import Seal, SealError

_KEY = bytes(range(32))


def test_what_is_sealed_opens_in_its_place_alone() -> None:
    seal = Seal(_KEY, purpose="tests")
    sealed = seal.close(b"words", place="here")

    assert seal.open(sealed, place="here") == b"words"
    assert b"words" not in sealed
    assert seal.close(b"words", place="here") != sealed
    for other, place in (
        (seal, "there"),
        (Seal(_KEY, purpose="another"), "here"),
        (Seal(bytes(32), purpose="tests"), "here"),
    ):
        with pytest.raises(SealError):
            other.open(sealed, place=place)


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_what_is_cut_short_or_changed_says_the_same(length: int) -> None:
    seal = Seal(_KEY, purpose="tests")
    sealed = seal.close(b"words", place="here")
    changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
    said = set()
    for damaged in (sealed[:length], changed):
        with pytest.raises(SealError) as refused:
            seal.open(damaged, place="here")
        said.add(str(refused.value))
        assert refused.value.__suppress_context__
    assert said == {"what is sealed here cannot be opened"}
