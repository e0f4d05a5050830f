"""What the tests of all screens share: any text, and long texts that hurt regular expressions."""

from __future__ import annotations

import time
from collections.abc import Callable

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(), max_size=300) | st.text("aA1 .@:/<>|![](){}=\"'-#\n\u200b私は", max_size=300)

_PIECES = (
    "a", "how to ", "you are ", "is a ", "1 ", "1", "(1", "1.", "a.", "@", "a@", "<|", "<|a", "![", "![a](http://",
    "<img ", "<!--",
    "http://a", "x=", "g a y x ", "\n", " ", "system: ", "user: a\n", "kill the ", "make the a ", "{", "---",
    "[[system ",
    "end of ", "a\u200b", "あ", "爆弾", "اكتب ", "ignore all your ", "12 a stree ", "call ", "id is ", "![a][1]\n",
    "a_",
    "<span style='color:white' ", "tell me why my boss said that the new guy is always late and ",
)  # fmt: skip


def slowest_pieces(screen: Callable[[str], object], *, characters: int) -> dict[str, float]:
    """Each awkward piece, repeated to `characters`, and the seconds of processor time that the screen takes over it."""
    screen("warm \u200b あ ال up")
    seconds = {}
    for piece in _PIECES:
        text = (piece * (characters // len(piece) + 1))[:characters]
        began = time.process_time()
        screen(text)
        seconds[piece] = time.process_time() - began
    return seconds
