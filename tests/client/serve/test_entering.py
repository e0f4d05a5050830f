"""The code that a browser is opened with: good once, for a minute, and only to who is of here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.serve.entering import SECONDS, EnteringCodes, entering_routes
from tests.client.assistant.assistants import Home
from tests.client.serve.served import TOKEN, Served, serving


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_code_is_good_once_and_for_a_minute() -> None:
    clock = _Clock()
    codes = EnteringCodes(clock=clock)
    first, second = codes.make(), codes.make()
    assert first != second
    assert codes.take(first)
    assert not codes.take(first)
    clock.now += SECONDS
    assert not codes.take(second)
    assert first not in repr(codes) + repr(vars(codes))


def test_who_guesses_keeps_nobody_out() -> None:
    codes = EnteringCodes()
    for number in range(100):
        assert not codes.take(f"guess {number} \udc80")
    assert codes.take(codes.make())


@pytest.fixture
def codes() -> EnteringCodes:
    return EnteringCodes()


@pytest.fixture
def at(tmp_path: Path, codes: EnteringCodes) -> Iterator[Served]:
    home = Home.make(tmp_path)
    with serving(home, extra_routes=entering_routes(codes, TOKEN)) as made:
        yield made
    home.vault.close()


def _enter(at: Served, code: str, **headers: str) -> tuple[int, dict[str, object]]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    status, _, body = at.ask("POST", "/enter", json.dumps({"code": code}).encode(), token=None, headers=sent)
    return status, json.loads(body)


def test_the_token_is_given_for_a_code_to_the_page_alone(at: Served, codes: EnteringCodes) -> None:
    code = codes.make()
    own = f"http://127.0.0.1:{at.port}"
    for foreign in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
    ):
        assert _enter(at, code, **foreign)[0] == 403
    assert _enter(at, code, Origin=own) == (200, {"token": TOKEN})
    assert _enter(at, code, Origin=own)[0] == 403
    assert TOKEN not in str(_enter(at, "wrong"))
    assert at.ask("GET", "/enter", token=None)[0] == 405
    assert at.ask("POST", "/enter/more", token=None)[0] == 401
