"""UserEval: its cases are true and held out, its marks are the world's, and its controls catch what is not personal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest

from client.rewards.judge import ModelJudge
from shared.conversation import Message
from shared.generation import GeneratedReply
from simulations.evaluation.user_eval import UserEval, evaluate_users
from simulations.evaluation.user_eval_cases import Case, make_cases, mark
from simulations.population.embedded.followups import HELD_OUT_FEEDBACK
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.parser import read_reply, topic_of
from simulations.population.embedded.personas import read_persona
from simulations.population.embedded.style import DEFAULT_STYLE, Style
from simulations.population.embedded.topics import topics
from simulations.rlhi.personas import SimulatedUser, simulated_users
from tests.writers import Writer


@cache
def users() -> tuple[SimulatedUser, ...]:
    return tuple(simulated_users(None, seed=2, split="reporting", users=40, history_length=2))


class Obeying:
    """Answers every question in one style, but for what the persona says, if it reads personas."""

    def __init__(self, style: Style = DEFAULT_STYLE, *, reads_persona: bool = False, name: str = "obeying") -> None:
        self.name = name
        self._style = style
        self._reads_persona = reads_persona

    def generate_replies(self, conversations: Sequence[Sequence[Message]], **_: object) -> list[list[GeneratedReply]]:
        return [[GeneratedReply(text=self._reply(turns), finished=True)] for turns in conversations]

    def _reply(self, turns: Sequence[Message]) -> str:
        from random import Random

        question = next(turn.content for turn in turns if turn.role == "user")
        topic = topic_of(question)
        assert topic is not None
        style = self._style
        if self._reads_persona and turns[0].role == "system":
            stated = read_persona(turns[0].content)
            style = style.flipped(*(axis for axis, pole in stated.items() if style[axis] != pole))
        return word_reply(plan_reply(topic, Random(question)), style)


def compared(first: Obeying, second: Obeying) -> UserEval:
    return evaluate_users(first, second, users(), names=("first", "second"), seed=0)


def cases(turn: str) -> list[Case]:
    return [case for case in make_cases(users(), seed=1) if case.turn == turn]


def test_topics_are_held_out_and_every_user_has_one_case_of_each_turn() -> None:
    held_out = set(topics(held_out=True))
    everything = make_cases(users(), seed=1)
    assert all(topic_of(case.question) in held_out for case in everything)
    assert len(everything) == 3 * len(users())
    assert make_cases(users(), seed=1) == everything != make_cases(users(), seed=2)


def test_a_follow_up_complains_of_what_the_reply_missed_in_held_out_words() -> None:
    phrases = {text for row in HELD_OUT_FEEDBACK.values() for text in row}
    for case in cases("follow-up"):
        reply = read_reply(case.prompt[1].content, case.question)
        assert case.asked
        assert all(reply.poles[axis] != pole == case.wanted[axis] for axis, pole in case.asked.items())
        assert any(phrase in case.prompt[2].content for phrase in phrases)


def test_an_explicit_wish_may_go_against_the_users_taste() -> None:
    against = [
        case
        for case in cases("explicit")
        if any(users()[case.user].user.style[axis] != pole for axis, pole in case.asked.items())
    ]
    assert 0.2 < len(against) / len(cases("explicit")) < 0.8


def test_marks_are_of_this_case() -> None:
    from random import Random

    for case in make_cases(users(), seed=1):
        topic = topic_of(case.question)
        assert topic is not None
        plan = plan_reply(topic, Random(0))
        best, worst = (word_reply(plan, style) for style in (case.wanted, case.wanted.flipped("tone", "structure")))
        assert mark(best, case).followed
        assert mark(best, case).overall == 9
        assert mark(best, case).personal == 4 - len(case.asked)
        assert mark(worst, case).overall < 9
        assert mark("nonsense", case).personal == mark("nonsense", case).overall == 0


def test_obeying_personas_wins_under_ones_own_and_not_under_anothers() -> None:
    found = compared(Obeying(reads_persona=True), Obeying())
    own, other = (
        found.win_rate(condition, "personalization", "first").result.raw.value for condition in ("own", "other")
    )
    assert own > 0.8
    assert other < 0.65
    assert found.personal_gain["personalization"].low > 0.15
    assert found.win_rate("none", "overall").result.raw.value == 0.5
    assert found.win_rate("none", "overall").ties == 1


def test_another_default_wins_nothing_personal() -> None:
    """A drift towards one style moves all three conditions alike."""
    found = compared(Obeying(DEFAULT_STYLE.flipped("informativeness")), Obeying())
    assert found.personal_gain["personalization"].value == 0
    assert 0.3 < found.win_rate("own", "personalization").result.raw.value < 0.7


def test_the_stated_need_is_counted_apart_from_what_is_preferred() -> None:
    found = compared(Obeying(reads_persona=True), Obeying())
    needs = {need.turns: need for need in found.needs if need.condition == "own"}
    assert needs["first"].first.value == needs["first"].second.value == 1
    # What a follow-up asks is what the persona says: reading it meets the need, and a wish against it is not met so.
    assert needs["follow-up"].first.value == 1
    assert needs["follow-up"].second.value < 0.7
    assert needs["explicit"].first.value < 0.9


def test_a_judge_decides_taste_and_overall_and_the_rule_what_was_asked() -> None:
    def longer(turns: Sequence[Message], _: int) -> str:
        first, second = turns[-1].content.split("Reply A:\n")[1].split("\n---\nReply B:\n")
        return "A" if len(first) > len(second.split("\n---\n")[0]) else "B"

    brief = Obeying(DEFAULT_STYLE.flipped("informativeness"))
    judge = ModelJudge(Writer(longer))
    found = evaluate_users(Obeying(), brief, users()[:6], names=("long", "brief"), judge=judge, seed=0)
    assert found.judged_by == "judge writer"
    assert found.inconsistent == 0
    for question in ("personalization", "overall"):
        assert found.win_rate("own", question).result.raw.value == 1, question
    assert found.win_rate("own", "instruction following").result.raw.value < 1


def test_a_figure_that_was_not_measured_is_refused() -> None:
    with pytest.raises(KeyError):
        compared(Obeying(), Obeying()).win_rate("own", "overall", "elsewhere")
