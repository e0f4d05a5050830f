"""`--data mtbench-human`: the people who judged MT-Bench, a device each, with the votes they cast.

Pairs are the decisive votes. On the first turn a vote compares two replies; on the second, two whole courses
(reply, the fixed follow-up question, reply), because each model went on from its own first reply. A vote on the second
turn has the same prompt as one on the first: the group is the question, so both fall on the same side of a split.

Ties say nothing that DPO can learn; they are read, checked and counted (`tied_votes`). The judges did not write
the prompts, and length and the model's identity explain most votes: compare with the length-only row.

Zheng et al., 2023, arXiv:2306.05685 (human judgments, CC-BY-4.0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.conversation import Message, PreferencePair
from shared.preference_files import read_lines
from shared.preference_lines import JsonLine, make_pair, parse_json_line
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user

NAME = "mtbench-human"
PAIRS_FILE = "pairs.jsonl.gz"
TIES_FILE = "ties.jsonl.gz"

EMPTY_REPLY = "votes over a reply without any text"
TIED = "tied votes"

_COMMON_KEYS = frozenset({"user_id", "question_id", "category", "turn", "prompt"})
_PAIR_KEYS = _COMMON_KEYS | {"chosen", "rejected", "chosen_model", "rejected_model"}
_TIE_KEYS = _COMMON_KEYS | {"response_a", "response_b", "model_a", "model_b"}
_VoteKey = tuple[str, str, int, frozenset[str]]
_SHAPES = {1: ("assistant",), 2: ("assistant", "user", "assistant")}


@dataclass(frozen=True, kw_only=True, repr=False)
class _Vote:
    """A vote as read: one pair, or None where one of the replies has no text."""

    user_id: str
    group: str
    pair: PreferencePair | None


def load_mtbench(directory: Path) -> RecordedPopulation:
    """The decisive votes of `directory`, a device for each judge; judges who only tied are devices without pairs.

    Raises:
        PreferenceFileError: malformed lines, by file, line and field; a vote that stands twice is one.
        OSError: a file is missing or cannot be read.
    """
    path = directory / PAIRS_FILE
    seen: set[_VoteKey] = set()
    votes = read_lines(path, lambda text, number: _parse_vote(parse_json_line(text, file=str(path), line=number), seen))
    ties = tied_votes(directory)
    recorded = [
        RecordedPair(user_id=vote.user_id, group=vote.group, pair=vote.pair) for vote in votes if vote.pair is not None
    ]
    return group_by_user(
        NAME,
        recorded,
        users_without_pairs=[*(vote.user_id for vote in votes), *ties],
        left_out={TIED: sum(ties.values()), EMPTY_REPLY: len(votes) - len(recorded)},
        read={
            "decisive votes": len(votes),
            "tied votes": sum(ties.values()),
            "pairs on turn 1": sum(len(entry.pair.chosen) == 1 for entry in recorded),
            "pairs on turn 2": sum(len(entry.pair.chosen) == 3 for entry in recorded),
        },
    )


def tied_votes(directory: Path) -> Mapping[str, int]:
    """Judge → how many of their votes were ties; judges without any are absent. Errors as `load_mtbench` has them."""
    path = directory / TIES_FILE
    return Counter(
        read_lines(path, lambda text, number: _parse_tie(parse_json_line(text, file=str(path), line=number)))
    )


def _parse_vote(line: JsonLine, seen: set[_VoteKey]) -> _Vote:
    line.check_keys(required=_PAIR_KEYS, optional=())
    prompt, chosen, rejected = _conversation(line, ("chosen", "rejected"))
    usable = all(
        any(message.content.strip() for message in reply if message.role == "assistant") for reply in (chosen, rejected)
    )
    vote = _Vote(
        user_id=line.identifier("user_id"),
        group=f"question {line.identifier('question_id')}",
        pair=make_pair(line, prompt=prompt, chosen=chosen, rejected=rejected, persona=None, origin="vote")
        if usable
        else None,
    )
    _check_new(line, seen)
    return vote


def _parse_tie(line: JsonLine) -> str:
    # A judge who met the same two replies twice and tied twice is two ties; a decisive vote may stand only once.
    line.check_keys(required=_TIE_KEYS, optional=())
    line.text("model_a")
    line.text("model_b")
    _conversation(line, ("response_a", "response_b"))
    line.identifier("question_id")
    return line.identifier("user_id")


def _conversation(
    line: JsonLine, sides: tuple[str, str]
) -> tuple[tuple[Message, ...], tuple[Message, ...], tuple[Message, ...]]:
    line.text("category")
    turn = line.integer("turn", minimum=1)
    if turn not in _SHAPES:
        line.refuse("turn", "must be 1 or 2")
    prompt = line.messages("prompt")
    if [message.role for message in prompt] != ["user"]:
        line.refuse("prompt", "must be one user message")
    first, second = (line.messages(side) for side in sides)
    for side, reply in zip(sides, (first, second), strict=True):
        if tuple(message.role for message in reply) != _SHAPES[turn]:
            line.refuse(side, f"must be {', '.join(_SHAPES[turn])} on turn {turn}")
    if turn == 2 and first[1] != second[1]:
        line.refuse(sides[1], "the two sides were asked different follow-up questions")
    return prompt, first, second


def _check_new(line: JsonLine, seen: set[_VoteKey]) -> None:
    key = (
        line.identifier("user_id"),
        line.identifier("question_id"),
        line.integer("turn", minimum=1),
        frozenset({line.text("chosen_model"), line.text("rejected_model")}),
    )
    if key in seen:
        line.refuse("line", "this judge's vote on these two models' replies stands twice")
    seen.add(key)
