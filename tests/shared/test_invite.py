from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from server.deployment.certificates import Authority
from shared.code_list import sign_code_list
from shared.invite import PREFIX, Invite, InviteError
from shared.signing_key import SigningKey

ORGANISER, SERVER = (SigningKey.from_bytes(bytes([place]) * 32) for place in (1, 2))


def authority(place: Path, name: str = "a") -> str:
    Authority.generate(name).save(place / f"{name}.pem", place / f"{name}.key")
    return (place / f"{name}.pem").read_text()


def invite(place: Path) -> Invite:
    return Invite(
        server="tacit.example:8443",
        authority=authority(place),
        organiser=ORGANISER.public,
        server_key=SERVER.public,
        code_list=sign_code_list(ORGANISER, ["11" * 32], version=1, expires=2_000_000_000),
    )


def test_an_invite_is_read_back_from_its_file_and_from_its_line(tmp_path: Path) -> None:
    made = invite(tmp_path)
    line = made.to_line()

    assert Invite.parse(made.to_json()) == made
    assert Invite.parse(f"  {line}\n") == made
    assert re.fullmatch(r"tacit1:[A-Za-z0-9_-]+", line)
    assert Invite.parse(replace(made, code_list=None).to_line()).code_list is None


def test_the_fingerprint_can_be_read_aloud_and_covers_who_is_trusted(tmp_path: Path) -> None:
    made = invite(tmp_path)
    others = [
        replace(made, server="tacit.example:8444"),
        replace(made, authority=authority(tmp_path, "b")),
        replace(made, organiser=SigningKey.generate().public, code_list=None),
        replace(made, server_key=SigningKey.generate().public),
        replace(made, code_list=None),  # nobody takes the list away unseen
    ]

    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}( [0-9A-HJKMNP-TV-Z]{4}){7}", made.fingerprint())
    assert made.fingerprint() not in {other.fingerprint() for other in others}
    # What is on the list expires, and is signed by itself; white space in PEM means nothing.
    newer = sign_code_list(ORGANISER, ["22" * 32], version=2, expires=2_000_000_000)
    assert replace(made, code_list=newer).fingerprint() == made.fingerprint()
    assert replace(made, authority=made.authority + "\n").fingerprint() == made.fingerprint()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"server": "tacit.example"}, "HOST:PORT"),
        ({"server": "tacit.example:0"}, "HOST:PORT"),
        ({"server": "tacit.example:99999"}, "HOST:PORT"),
        ({"server": "tacit.example/x:1"}, "HOST:PORT"),
        ({"server": "https://tacit.example:1"}, "HOST:PORT"),
        ({"server": 3}, "must be a text"),
        ({"authority": "-----BEGIN CERTIFICATE-----"}, "authority"),
        ({"authority": "x" * 9000}, "authority"),
        ({"organiser": "AB" * 32}, "organiser"),
        ({"organiser": SERVER.public}, "another organiser's|two keys"),
        ({"server_key": ORGANISER.public}, "two keys"),
        ({"server_key": None}, "missing keys: server_key"),
        ({"format": 2}, "format"),
        ({"run": "rm"}, "unknown keys: 'run'"),
        ({"code_list": {}}, "code_list: missing"),
        ({"code_list": None}, ""),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    values = {**json.loads(invite(tmp_path).to_json()), **changes}
    text = json.dumps({key: value for key, value in values.items() if value is not None})

    if not said:
        assert Invite.parse(text).code_list is None
        return
    with pytest.raises(InviteError, match=said):
        Invite.parse(text)


def test_two_certificates_are_no_authority(tmp_path: Path) -> None:
    made = invite(tmp_path)
    with pytest.raises(InviteError, match="one certificate"):
        replace(made, authority=made.authority * 2)


def test_a_line_that_was_cut_short_or_is_a_bomb_is_refused(tmp_path: Path) -> None:
    line = invite(tmp_path).to_line()
    bomb = PREFIX + base64.urlsafe_b64encode(zlib.compress(b" " * 10**8, 9)).decode().rstrip("=")
    assert len(bomb) > 100_000
    small = PREFIX + base64.urlsafe_b64encode(zlib.compress(b" " * 10**6, 9)).decode().rstrip("=")
    assert len(small) < 32768

    for text in (line[:-8], line[:-1] + "!", PREFIX, bomb, small, "", "tacit2:abc", "[" * 9000):
        with pytest.raises(InviteError):
            Invite.parse(text)
