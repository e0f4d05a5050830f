"""Pieces of a reply: joined they are the reply, and none holds what is not certain yet."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.assistant.reply_text import ReplyText
from tests.tiny import tokenizer

_TOKENIZER = tokenizer()
_TEXTS = st.text(alphabet=st.sampled_from("ab \n.é你👩\u200d🚀"), max_size=24)


def _decode(ids: Sequence[int]) -> str:
    return str(_TOKENIZER.decode(list(ids), skip_special_tokens=True))


def _pieces(ids: Sequence[int], stops: Sequence[str] = ()) -> tuple[list[str], ReplyText]:
    text = ReplyText(_decode, stops)
    pieces = []
    for token in ids:
        pieces.append(text.add(token))
        if text.is_stopped:
            return pieces, text
    return [*pieces, text.end()], text


def _encode(text: str) -> list[int]:
    return list(_TOKENIZER(text, add_special_tokens=False)["input_ids"])


@settings(max_examples=150, deadline=None)
@given(said=_TEXTS)
def test_pieces_are_whole_characters_and_join_to_the_text(said: str) -> None:
    pieces, _ = _pieces(_encode(said))
    assert "".join(pieces) == said.strip()
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
    for count in range(len(pieces)):
        assert said.strip().startswith("".join(pieces[:count]))


def test_a_character_of_several_tokens_comes_once_and_whole() -> None:
    ids = _encode("a👩\u200d🚀")
    assert len(ids) > 8
    assert [piece for piece in _pieces(ids)[0] if piece] == ["a", "👩", "\u200d", "🚀"]


@settings(max_examples=150, deadline=None)
@given(said=_TEXTS, stops=st.lists(st.text(alphabet="ab .你", min_size=1, max_size=4), min_size=1, max_size=3))
def test_nothing_comes_from_a_stop_text_on(said: str, stops: list[str]) -> None:
    whole = said.lstrip()
    places = [whole.find(stop) for stop in stops if stop in whole]
    pieces, text = _pieces(_encode(said), stops)
    joined = "".join(pieces)
    assert text.is_stopped == bool(places)
    if not places:
        assert joined == said.strip()
        return
    # Of two stops the one that is complete first ends the reply; at one token they may be complete together.
    assert joined in {whole[:place].rstrip() for place in places}
    assert not any(stop in joined for stop in stops)


def test_what_may_begin_a_stop_text_waits() -> None:
    pieces, text = _pieces(_encode("a b## c"), ["###"])
    assert "".join(pieces) == "a b## c"
    assert not text.is_stopped
    seen = ReplyText(_decode, ["###"])
    for token in _encode("a b##"):
        assert "#" not in seen.add(token)


@pytest.mark.parametrize("seed", range(5))
def test_any_tokens_give_what_the_tokenizer_makes_of_all_of_them(seed: int) -> None:
    ids = random.Random(seed).choices(range(320), k=60)
    pieces, _ = _pieces(ids)
    assert "".join(pieces) == _decode(ids).strip()
    assert sum(map(bool, pieces)) > 5


def test_a_tokenizer_that_rewrites_what_came_before_a_character_is_waited_for() -> None:
    def fallback(ids: Sequence[int]) -> str:
        """As SentencePiece models do: bytes that are not all whole characters are none at all."""
        try:
            return bytes(ids).decode()
        except UnicodeDecodeError:
            return "\N{REPLACEMENT CHARACTER}" * len(ids)

    text = ReplyText(fallback)
    pieces = [text.add(byte) for byte in "aé你b".encode()]
    assert [piece for piece in [*pieces, text.end()] if piece] == ["a", "é", "你", "b"]
