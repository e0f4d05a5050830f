"""Follow-ups for tests, and texts of many scripts."""

from __future__ import annotations

from hypothesis import strategies as st

from client.followups import FollowUp
from shared.conversation import Message

ODD_TEXTS = (
    "",
    " \n\t ",
    "👍🏽👨‍👩‍👧",
    "もっと短くしてください。",
    "اجعله أقصر من فضلك؟",
    "\ud800",
    "a\udfffb",
    "\x00\x07",
    "ﷺ" * 50,  # each becomes eighteen letters
    "x" * 100_000,
    "e\u0301" * 10,
    "?",
    "def f(x):\n    return x",
)
# Every code point there is, halves of surrogate pairs included.
any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def follow_up(
    text: str, *, request: str = "How do I boil an egg?", reply: str = "Boil it for six minutes."
) -> FollowUp:
    turns = (Message(role="user", content=request), Message(role="assistant", content=reply))
    return FollowUp(conversation=turns, text=text)
