"""UserEval (arXiv:2509.25137, section 4.1), hardened: how often one model's reply serves a user better than another's.

Three questions of every pair of replies: which is more to this user's taste (personalization), which does what was
asked (instruction following), and which is better overall. Each is answered by the embedded world's reader, or by a
judge model in both orders; under the user's own persona, none, and another user's; in first turns and follow-up turns
apart; raw and with length controlled; with intervals over users. "The stated need was met" is counted apart from
"preferred".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from client.prompts import with_persona
from client.rewards.judge import Comparison, ModelJudge
from shared.generation import ReplyGenerator
from simulations.evaluation.embedded import CONDITIONS, MAX_NEW_TOKENS, Condition
from simulations.evaluation.length_control import LengthControl, control_length
from simulations.evaluation.statistics import Estimate, estimate_mean
from simulations.evaluation.user_eval_cases import TURNS, Case, Marks, make_cases, mark
from simulations.rlhi.personas import SimulatedUser

Question = Literal["personalization", "instruction following", "overall"]
QUESTIONS: tuple[Question, ...] = ("personalization", "instruction following", "overall")
_RESAMPLES = 300


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often the first model wins, a tie counting half.

    Attributes:
        condition, turns, question: of what; `turns` is one of the kinds of turn, or "all".
        result: raw and length-controlled, with intervals over users.
        ties: share of comparisons.
    """

    condition: Condition
    turns: str
    question: Question
    result: LengthControl
    ties: float


@dataclass(frozen=True, kw_only=True)
class Need:
    """Share of replies that meet the stated need, or make sense: `first` model, `second`, over users."""

    condition: Condition
    turns: str
    first: Estimate
    second: Estimate


@dataclass(frozen=True, kw_only=True)
class UserEval:
    """The whole comparison of two models.

    Attributes:
        first, second: their names.
        judged_by: "the world's rule", or the judge's name.
        users: asked.
        temperature: 0 is greedy.
        win_rates: by condition, turn and question.
        needs: by condition and turn.
        personal_gain: per question, win under the own persona minus under another's, paired by user.
        inconsistent: share of a judge's verdicts that changed with the order (counted as ties); None of the rule.
    """

    first: str
    second: str
    judged_by: str
    users: int
    temperature: float
    win_rates: tuple[WinRate, ...]
    needs: tuple[Need, ...]
    personal_gain: Mapping[str, Estimate]
    inconsistent: float | None

    def win_rate(self, condition: Condition, question: Question, turns: str = "all") -> WinRate:
        """Raises: KeyError: it was not measured."""
        for found in self.win_rates:
            if (found.condition, found.question, found.turns) == (condition, question, turns):
                return found
        raise KeyError((condition, question, turns))

    def to_json(self) -> dict[str, object]:
        """Plain values; no text."""
        return asdict(self)


def evaluate_users(
    first: ReplyGenerator,
    second: ReplyGenerator,
    users: Sequence[SimulatedUser],
    *,
    names: tuple[str, str],
    judge: ModelJudge | None = None,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 128,
    progress: Callable[[float, str], None] = lambda _share, _note: None,
) -> UserEval:
    """Compares two models on every user.

    Args:
        users: with the personas that their devices state; of a split that trained nothing.
        judge: decides personalization and overall instead of the world's rule; instruction following stays the rule's.
        progress: told the share that is done, and what is being done.
    """
    cases = make_cases(users, seed=seed)
    marks: dict[Condition, tuple[list[Marks], list[Marks]]] = {}
    preferred: dict[tuple[Condition, Question], np.ndarray] = {}
    verdicts = inconsistent = 0
    for place, condition in enumerate(CONDITIONS):
        personas = [shown_persona(users, case.user, condition) for case in cases]
        replies = []
        for side, model in enumerate((first, second)):
            replies.append(_reply(model, cases, personas, temperature, seed, batch_size))
            progress((2 * place + side + 1) / 6, f"{names[side]}, {condition} persona")
        one, other = ([mark(text, case) for text, case in zip(said, cases, strict=True)] for said in replies)
        marks[condition] = one, other
        for question in QUESTIONS:
            preferred[condition, question] = _by_rule(one, other, question)
        if judge is not None:
            # Whoever's persona the models saw, the reply is judged for the user who asks.
            own = [shown_persona(users, case.user, "own") for case in cases]
            judged: tuple[tuple[Question, bool], ...] = (("personalization", True), ("overall", False))
            for question, known in judged:
                asked = [
                    Comparison(prompt=case.prompt, persona=persona if known else None, first=a, second=b)
                    for case, persona, a, b in zip(cases, own, *replies, strict=True)
                ]
                found = judge.compare(asked)
                verdicts += len(found)
                inconsistent += sum(not verdict.consistent for verdict in found)
                preferred[condition, question] = np.array([verdict.first_wins for verdict in found])
    owners = [users[case.user].user.identity for case in cases]
    return UserEval(
        first=names[0],
        second=names[1],
        judged_by="the world's rule" if judge is None else judge.name,
        users=len(users),
        temperature=temperature,
        win_rates=tuple(
            _win_rate(cases, owners, marks[condition], preferred[condition, question], condition, turns, question, seed)
            for condition in CONDITIONS
            for turns in ("all", *TURNS)
            for question in QUESTIONS
        ),
        needs=tuple(
            _need(cases, owners, marks[condition], condition, turns, seed)
            for condition in CONDITIONS
            for turns in ("all", *TURNS)
        ),
        personal_gain={
            question: estimate_mean(preferred["own", question] - preferred["other", question], owners, seed=seed)
            for question in QUESTIONS
        },
        inconsistent=inconsistent / verdicts if verdicts else None,
    )


def shown_persona(users: Sequence[SimulatedUser], index: int, condition: Condition) -> str | None:
    """The persona that a model is shown for user `index`. Raises: ValueError: all users want the same."""
    if condition == "none":
        return None
    if condition == "own":
        return users[index].persona
    for step in range(1, len(users)):
        other = users[(index + step) % len(users)]
        if other.user.style != users[index].user.style:
            return other.persona
    raise ValueError("the evaluation needs users of at least two styles")


def _reply(
    model: ReplyGenerator,
    cases: Sequence[Case],
    personas: Sequence[str | None],
    temperature: float,
    seed: int,
    batch_size: int,
) -> list[str]:
    replies = model.generate_replies(
        [with_persona(case.prompt, persona) for case, persona in zip(cases, personas, strict=True)],
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=temperature,
        seed=seed,
        batch_size=batch_size,
    )
    return [samples[0].text for samples in replies]


def _by_rule(one: Sequence[Marks], other: Sequence[Marks], question: Question) -> np.ndarray:
    """(cases,) 1 where the first is better, ½ where they tie."""
    field = {"personalization": "personal", "instruction following": "followed", "overall": "overall"}[question]
    first = np.array([float(getattr(marks, field)) for marks in one])
    second = np.array([float(getattr(marks, field)) for marks in other])
    wins: np.ndarray = (first > second) + 0.5 * (first == second)
    return wins


def _win_rate(
    cases: Sequence[Case],
    owners: Sequence[str],
    marks: tuple[list[Marks], list[Marks]],
    preferred: np.ndarray,
    condition: Condition,
    turns: str,
    question: Question,
    seed: int,
) -> WinRate:
    chosen = [place for place, case in enumerate(cases) if turns in ("all", case.turn)]
    result = control_length(
        preferred[chosen],
        [marks[0][place].characters for place in chosen],
        [marks[1][place].characters for place in chosen],
        user_ids=[owners[place] for place in chosen],
        resamples=_RESAMPLES,
        seed=seed,
    )
    return WinRate(
        condition=condition,
        turns=turns,
        question=question,
        result=result,
        ties=float(np.mean(preferred[chosen] == 0.5)),
    )


def _need(
    cases: Sequence[Case],
    owners: Sequence[str],
    marks: tuple[list[Marks], list[Marks]],
    condition: Condition,
    turns: str,
    seed: int,
) -> Need:
    chosen = [place for place, case in enumerate(cases) if turns in ("all", case.turn)]
    first, second = (
        estimate_mean([float(side[place].followed) for place in chosen], [owners[place] for place in chosen], seed=seed)
        for side in marks
    )
    return Need(condition=condition, turns=turns, first=first, second=second)
