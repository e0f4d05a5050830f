from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.code_list import CodeList, CodeListError, sign_code_list
from shared.signing_key import SigningKey

ORGANISER = SigningKey.from_bytes(bytes(range(32)))
ONE, TWO = "11" * 32, "22" * 32
EXPIRES = 2_000_000_000
BEFORE, AFTER = (datetime.fromtimestamp(EXPIRES + seconds, UTC) for seconds in (-1, 0))


def signed(**changes: object) -> CodeList:
    return replace(sign_code_list(ORGANISER, [TWO, ONE, TWO], version=3, expires=EXPIRES), **changes)  # type: ignore[arg-type]


def test_a_signed_list_is_believed_until_it_expires() -> None:
    read = CodeList.from_json(signed().to_json())

    read.check(ORGANISER.public, now=BEFORE)
    assert read == signed()
    assert [read.allows(one) for one in (ONE, TWO, "33" * 32)] == [True, True, False]
    with pytest.raises(CodeListError, match="expired on 2033-05-18"):
        read.check(ORGANISER.public, now=AFTER)


@pytest.mark.parametrize(
    "changed",
    [{"version": 4}, {"expires": EXPIRES + 1}, {"bundles": (ONE,)}, {"signature": "00" * 64}, {"signature": ""}],
)
def test_every_value_is_signed(changed: dict[str, object]) -> None:
    with pytest.raises(CodeListError, match="did not sign"):
        signed(**changed).check(ORGANISER.public, now=BEFORE)


def test_another_organisers_list_is_not_believed() -> None:
    other = SigningKey.generate()

    with pytest.raises(CodeListError, match="another organiser's"):
        signed().check(other.public, now=BEFORE)
    with pytest.raises(CodeListError, match="did not sign"):
        signed(organiser=other.public).check(other.public, now=BEFORE)


def test_a_signature_over_the_same_values_for_another_purpose_is_none() -> None:
    made = signed()
    statement = made.statement().removeprefix(b"tacit/code-list/1\0")
    elsewhere = ORGANISER.key.sign(b"tacit/train-request/1\0" + statement).hex()

    assert statement != made.statement()
    with pytest.raises(CodeListError, match="did not sign"):
        replace(made, signature=elsewhere).check(ORGANISER.public, now=BEFORE)


def test_what_is_signed_never_changes() -> None:
    key = ORGANISER.public
    assert signed().statement() == f'tacit/code-list/1\0["{key}",3,2000000000,["{ONE}","{TWO}"]]'.encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bundles": []}, "from 1 to 64"),
        ({"bundles": [TWO, ONE]}, "ascending"),
        ({"bundles": [ONE, ONE]}, "different"),
        ({"bundles": ["../" + ONE]}, "64 hex digits"),
        ({"bundles": [f"{place:064x}" for place in range(65)]}, "at most 64"),
        ({"bundles": ONE}, "list"),
        ({"version": 0}, "version"),
        ({"version": "3"}, "version"),
        ({"version": 2**60}, "version"),
        ({"expires": 1.5}, "expires"),
        ({"expires": 10**12}, "expires"),
        ({"format": 2}, "format"),
        ({"pickle": ""}, "unknown keys: 'pickle'"),
        ({"organiser": "AB" * 32}, "organiser"),
        ({"signature": "zz"}, "signature"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(CodeListError, match=said):
        CodeList.from_json(json.dumps({**signed().to_values(), **changes}))


@pytest.mark.parametrize("text", ["", "[]", "[" * 9000, "x" * 20000, '{"format": 1}'])
def test_what_is_no_list_at_all_is_refused(text: str) -> None:
    with pytest.raises(CodeListError):
        CodeList.from_json(text)
