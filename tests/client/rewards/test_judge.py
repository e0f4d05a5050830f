"""The judge: both orders, ties, and a judge that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from client.prompts import judge_replies, read_verdict
from client.rewards import Ranked
from client.rewards.judge import Comparison, ModelJudge, Verdict
from shared.conversation import Message
from tests.tiny import message
from tests.writers import Writer, last_said

PROMPT = (message("user", "How does bread rise?"),)


def shorter(turns: Sequence[Message], _: int) -> str:
    """Prefers the shorter reply, whatever its place."""
    first, second = last_said(turns).split("Reply A:\n")[1].split("\n---\nReply B:\n")
    second = second.split("\n---\n")[0]
    return "A" if len(first) < len(second) else "B."


def compared(judge: ModelJudge, first: str, second: str) -> Verdict:
    return judge.compare([Comparison(prompt=PROMPT, persona="Likes lists.", first=first, second=second)])[0]


def test_a_consistent_judge_is_believed() -> None:
    judge = ModelJudge(Writer(shorter))
    assert compared(judge, "gas", "it is the gas") == Verdict(first_wins=1.0, consistent=True)
    assert compared(judge, "it is the gas", "gas") == Verdict(first_wins=0.0, consistent=True)


@pytest.mark.parametrize("answer", ["A", "B", "Both are fine", "", "Ah well"])
def test_a_verdict_that_changes_with_the_order_is_a_tie(answer: str) -> None:
    judge = ModelJudge(Writer(lambda _turns, _sample: answer))
    assert compared(judge, "gas", "yeast") == Verdict(first_wins=0.5, consistent=False)


def test_equal_replies_tie_without_being_asked_about() -> None:
    model = Writer(shorter)
    assert compared(ModelJudge(model), "gas", "gas") == Verdict(first_wins=0.5, consistent=True)
    assert model.prompts == []


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_candidates_are_ranked_and_each_meets_equally_many(count: int) -> None:
    replies = tuple("x" * (place + 1) for place in range(count))
    model = Writer(shorter)
    (scores,) = ModelJudge(model).score([Ranked(prompt=PROMPT, persona=None, candidates=replies)])
    assert max(scores) == scores[0]
    assert min(scores) == scores[-1]
    assert len(model.prompts) <= count * min(3, count - 1)


def test_the_user_agnostic_judge_is_not_told_of_the_user() -> None:
    told, untold = (judge_replies(PROMPT, persona, "a", "b") for persona in ("Likes lists.", None))
    assert "Likes lists." in told[1].content
    assert "user:" not in untold[1].content.split("The conversation:")[0].lower()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("A", "A"), (" B.", "B"), ("**A**", "A"), ("Reply B", "B"), ("A is better", "A"), ("Apples", None), ("C", None)],
)
def test_reading_a_verdict(answer: str, verdict: str | None) -> None:
    assert read_verdict(answer) == verdict
