"""A language model as judge: which of two replies serves the user better, asked in both orders.

Models favour a place; a verdict that changes with the order is therefore a tie (Zheng et al., 2023, arXiv:2306.05685,
section 3.4). Of N candidates each meets every other when N is small, else a few opponents in a ring, so that every
candidate meets equally many; its score is its mean result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client.prompts import judge_replies, read_verdict
from client.rewards import Ranked
from shared.conversation import Message
from shared.generation import ReplyGenerator, texts_of

MAX_NEW_TOKENS = 8


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two replies to one request.

    Attributes:
        prompt: the conversation, ending with the user's request; without persona.
        persona: who the reply is for, or None.
        first, second: the replies.
    """

    prompt: tuple[Message, ...]
    persona: str | None
    first: str
    second: str

    def __repr__(self) -> str:
        return f"Comparison({len(self.prompt)} messages)"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Attributes:
    first_wins: 1, 0, or ½ for a tie.
    consistent: whether both orders said the same; False also where an answer could not be read.
    """

    first_wins: float
    consistent: bool


class ModelJudge:
    """A judge over any model that writes, on this device or behind a local server."""

    def __init__(self, model: ReplyGenerator, *, opponents: int = 3, batch_size: int = 32) -> None:
        """Args:
        opponents: how many others each candidate meets, at most; meeting k costs 2k answers a candidate.
        """
        if opponents < 1:
            raise ValueError("a judge needs at least one opponent a candidate")
        self._model = model
        self._opponents = opponents
        self._batch_size = batch_size

    @property
    def name(self) -> str:
        return f"judge {self._model.name}"

    def compare(self, comparisons: Sequence[Comparison]) -> list[Verdict]:
        """A verdict on each comparison, in the order given. Equal replies tie without being asked about."""
        asked = [place for place, one in enumerate(comparisons) if one.first != one.second]
        prompts = []
        for place in asked:
            one = comparisons[place]
            prompts.append(judge_replies(one.prompt, one.persona, one.first, one.second))
            prompts.append(judge_replies(one.prompt, one.persona, one.second, one.first))
        answers = (
            texts_of(self._model.generate_replies(prompts, max_new_tokens=MAX_NEW_TOKENS, batch_size=self._batch_size))
            if prompts
            else []
        )
        verdicts = [Verdict(first_wins=0.5, consistent=True)] * len(comparisons)
        for number, place in enumerate(asked):
            forward, backward = (read_verdict(answers[2 * number + order][0]) for order in (0, 1))
            agree = {forward, backward} == {"A", "B"}
            verdicts[place] = Verdict(first_wins=float(forward == "A") if agree else 0.5, consistent=agree)
        return verdicts

    def score(self, cases: Sequence[Ranked]) -> list[tuple[float, ...]]:
        """Each candidate's mean result against its opponents, in [0, 1]."""
        comparisons: list[Comparison] = []
        where: list[tuple[int, int, int]] = []
        for place, case in enumerate(cases):
            for first, second in _pairings(len(case.candidates), self._opponents):
                where.append((place, first, second))
                comparisons.append(
                    Comparison(
                        prompt=case.prompt,
                        persona=case.persona,
                        first=case.candidates[first],
                        second=case.candidates[second],
                    )
                )
        totals = [[0.0] * len(case.candidates) for case in cases]
        games = [[0] * len(case.candidates) for case in cases]
        for (place, first, second), verdict in zip(where, self.compare(comparisons), strict=True):
            totals[place][first] += verdict.first_wins
            totals[place][second] += 1 - verdict.first_wins
            games[place][first] += 1
            games[place][second] += 1
        return [
            tuple(won / played if played else 0.5 for won, played in zip(results, counts, strict=True))
            for results, counts in zip(totals, games, strict=True)
        ]


def _pairings(candidates: int, opponents: int) -> list[tuple[int, int]]:
    """Pairs (first, second), none twice: all of them, or each candidate with the next `opponents / 2` in a ring."""
    if candidates - 1 <= opponents:
        return [(one, other) for one in range(candidates) for other in range(one + 1, candidates)]
    steps = max(1, opponents // 2)
    found = {
        tuple(sorted((one, (one + step) % candidates))) for step in range(1, steps + 1) for one in range(candidates)
    }
    return [(pair[0], pair[1]) for pair in sorted(found)]
