"""Arena-Hard's files, 2.0 and v0.1: joined by question, games in both orders, and clear about what does not fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.preference_files import PreferenceFileError
from simulations.evaluation.arena_hard_files import arena_hard_comparisons, read_arena_hard_verdicts
from simulations.evaluation.pairwise_result import ComparisonSet, PairwiseError, Verdict, pairwise_result

PRIVATE = "a letter to my solicitor"

Entry = dict[str, object]
LABELS = ["A>>B", "A>B", "A=B", "B>A", "B>>A", "B<<A", "B<A", "B=A", "A<B", "A<<B"]
# How the benchmark's own `show_result.py` turns a label into scores for A.
SCORES = {
    "A>B": [1.0],
    "A>>B": [1.0] * 3,
    "A=B": [0.5],
    "A<<B": [0.0] * 3,
    "A<B": [0.0],
    "B>A": [0.0],
    "B>>A": [0.0] * 3,
    "B=A": [0.5],
    "B<<A": [1.0] * 3,
    "B<A": [1.0],
}


def question(place: int, category: str = "hard_prompt") -> Entry:
    return {"uid": f"q{place}", "category": category, "subcategory": "coding", "prompt": f"{PRIVATE}, part {place}"}


def answer(place: int, model: str, *, wrapped: bool = True) -> Entry:
    text = f"{model} {place}"
    content: object = {"answer": text, "thought": PRIVATE} if wrapped else text
    turns = [{"role": "user", "content": PRIVATE}, {"role": "assistant", "content": content}]
    return {"uid": f"q{place}", "ans_id": "x", "model": model, "messages": turns, "metadata": {"token_len": 3}}


def judgment(place: int, first: str | None, second: str | None) -> Entry:
    games = [None if label is None else {"score": label, "judgment": PRIVATE} for label in (first, second)]
    return {"uid": f"q{place}", "category": "hard_prompt", "model": "tuned", "baseline": "base", "games": games}


def lines(path: Path, entries: Sequence[Entry]) -> Path:
    path.write_text("\n".join(json.dumps(entry) for entry in entries), encoding="utf-8")
    return path


def joined(directory: Path, count: int = 3) -> ComparisonSet:
    """`count` questions, each answered by both."""
    places = range(count)
    return arena_hard_comparisons(
        lines(directory / "question.jsonl", [question(place) for place in places]),
        lines(directory / "tuned.jsonl", [answer(place, "tuned") for place in reversed(places)]),
        lines(directory / "base.jsonl", [answer(place, "base", wrapped=False) for place in places]),
    )


def verdicts(directory: Path, games: Sequence[tuple[str | None, str | None]]) -> tuple[Verdict, ...]:
    path = lines(directory / "verdicts.jsonl", [judgment(place, *labels) for place, labels in enumerate(games)])
    return read_arena_hard_verdicts(path, joined(directory, len(games)))


def test_answers_are_joined_by_question(tmp_path: Path) -> None:
    found = joined(tmp_path)
    assert (found.benchmark, found.model, found.baseline, found.left_out) == ("arena-hard", "tuned", "base", 0)
    first = found.comparisons[0]
    assert (first.instruction, first.model_output, first.baseline_output) == (f"{PRIVATE}, part 0", "tuned 0", "base 0")
    assert [comparison.question_id for comparison in found.comparisons] == ["q0", "q1", "q2"]
    assert [comparison.entry for comparison in found.comparisons] == [3, 2, 1]
    assert PRIVATE not in repr(found.comparisons)


def test_the_older_version_reads_the_same(tmp_path: Path) -> None:
    def old_answer(place: int, model: str) -> Entry:
        turns = [{"content": f"{model} {place}", "token_len": 5}]
        choices = [{"index": 0, "turns": turns}]
        return {"question_id": f"q{place}", "answer_id": "x", "model_id": model, "choices": choices, "tstamp": 1.5}

    questions: list[Entry] = [
        {"question_id": f"q{place}", "category": "arena-hard-v0.1", "cluster": "c", "turns": [{"content": "Why?"}]}
        for place in range(2)
    ]
    found = arena_hard_comparisons(
        lines(tmp_path / "question.jsonl", questions),
        lines(tmp_path / "tuned.jsonl", [old_answer(place, "tuned") for place in range(2)]),
        lines(tmp_path / "base.jsonl", [old_answer(place, "base") for place in range(2)]),
    )
    assert (found.model, found.baseline) == ("tuned", "base")
    second = found.comparisons[1]
    assert (second.instruction, second.model_output, second.baseline_output) == ("Why?", "tuned 1", "base 1")
    old: list[Entry] = [
        {"question_id": f"q{place}", "model": "tuned", "judge": "j", "games": [{"score": "A>B"}, {"score": "A>B"}]}
        for place in range(2)
    ]
    read = read_arena_hard_verdicts(lines(tmp_path / "verdicts.jsonl", old), found)
    assert [verdict.preference for verdict in read] == [0.5, 0.5]
    assert [verdict.order_inconsistent for verdict in read] == [True, True]


def test_games_are_read_in_their_order(tmp_path: Path) -> None:
    # In the first game A is the baseline, in the second the model.
    found = verdicts(tmp_path, [("B>A", "A>B"), ("A>>B", "B>>A"), ("A>B", "A>B"), ("A=B", "A>>B"), ("B>>A", "B=A")])
    assert [verdict.preference for verdict in found] == [1.0, 0.0, 0.5, 0.875, 0.875]
    assert [verdict.weight for verdict in found] == [2, 6, 2, 4, 4]
    assert [verdict.order_inconsistent for verdict in found] == [False, False, True, False, False]


@pytest.mark.parametrize("games", [(None, "A>B"), ("A>B", None), (None, None)])
def test_a_game_without_a_verdict_leaves_its_question_out(tmp_path: Path, games: tuple[str | None, str | None]) -> None:
    (found,) = verdicts(tmp_path, [games])
    assert found.preference is None
    entry = judgment(0, "A>B", "A>B") | {"games": [{"score": label} for label in games]}
    (again,) = read_arena_hard_verdicts(lines(tmp_path / "verdicts.jsonl", [entry]), joined(tmp_path, 1))
    assert again.preference is None


@settings(deadline=None)
@given(games=st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=12))
def test_the_win_rate_is_the_benchmarks_own(
    tmp_path_factory: pytest.TempPathFactory, games: list[tuple[str, str]]
) -> None:
    directory = tmp_path_factory.mktemp("arena")
    read = verdicts(directory, list(games))
    scores = [score for first, second in games for score in [*SCORES[second], *(1 - s for s in SCORES[first])]]
    found = pairwise_result(joined(directory, len(games)), read, judge="j", resamples=2, seed=0)
    assert found.win_rate.value == pytest.approx(np.mean(scores))
    # Whoever swaps the two models swaps the games, and gets what is left of 1.
    swapped = verdicts(directory, [(second, first) for first, second in games])
    assert [verdict.preference for verdict in swapped] == pytest.approx([1 - (v.preference or 0) for v in read])


def test_a_strong_verdict_can_be_counted_once(tmp_path: Path) -> None:
    found = joined(tmp_path, 1)
    path = lines(tmp_path / "verdicts.jsonl", [judgment(0, "A=B", "A>>B")])
    (once,) = read_arena_hard_verdicts(path, found, strong_weight=1)
    assert (once.preference, once.weight) == (0.75, 2)
    with pytest.raises(ValueError, match="at least 1"):
        read_arena_hard_verdicts(path, found, strong_weight=0)


def test_a_category_can_be_asked_for_alone(tmp_path: Path) -> None:
    questions = [question(0), question(1, "creative_writing"), question(2)]
    files = (
        lines(tmp_path / "question.jsonl", questions),
        lines(tmp_path / "tuned.jsonl", [answer(place, "tuned") for place in range(3)]),
        lines(tmp_path / "base.jsonl", [answer(1, "base")]),  # each category has its own baseline
    )
    found = arena_hard_comparisons(*files, category="creative_writing")
    assert [comparison.question_id for comparison in found.comparisons] == ["q1"]
    assert found.left_out == 2
    everything = lines(tmp_path / "verdicts.jsonl", [judgment(place, "B>A", "A>B") for place in range(3)])
    assert len(read_arena_hard_verdicts(everything, found)) == 1
    with pytest.raises(PairwiseError, match="nothing to compare"):
        arena_hard_comparisons(*files, category="cooking")
    with pytest.raises(PairwiseError, match=r"base\.jsonl has no reply for 2 of the 3 entries wanted"):
        arena_hard_comparisons(*files)
    assert len(arena_hard_comparisons(*files, partial=True).comparisons) == 1


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (answer(0, "tuned"), "line 2, question id: the same as entry 1's"),
        (answer(9, "tuned"), "line 2, question id: is no question's"),
        ({"uid": "q1", "model": "tuned"}, "choices[0].turns: must be a list of one turn"),
        ({"uid": "q1", "model": "tuned", "messages": []}, "messages: must be a list of messages"),
        ({"uid": "q1", "model": "tuned", "messages": PRIVATE}, "messages: must be a list of messages"),
        (
            {"uid": "q1", "model": "tuned", "messages": [{"role": "user", "content": PRIVATE}]},
            "messages: must be a list of messages of which the last",
        ),
        (
            {"uid": "q1", "model": "tuned", "messages": [{"role": "assistant", "content": PRIVATE}] * 2},
            "messages: must be a list of messages of which the last and no other",
        ),
        (
            {"uid": "q1", "model": "tuned", "messages": [{"role": "assistant", "content": {"text": PRIVATE}}]},
            "messages[-1].content: must be a string",
        ),
        (
            {"uid": "q1", "model_id": "tuned", "choices": [{"turns": [{"content": PRIVATE}] * 2}]},
            "choices[0].turns: must be a list of one turn",
        ),
        (
            {"uid": "q1", "model_id": "tuned", "choices": [{"turns": [{"content": 5}]}]},
            "choices[0].turns[0].content: must be a string",
        ),
        ({"uid": "q1", "messages": [{"role": "assistant", "content": PRIVATE}]}, "model_id: must be a string"),
        ({"model": "tuned"}, "question_id: must be a string or an integer"),
    ],
)
def test_malformed_answers_are_named_and_not_quoted(tmp_path: Path, entry: Entry, said: str) -> None:
    questions = lines(tmp_path / "question.jsonl", [question(0), question(1)])
    good = lines(tmp_path / "base.jsonl", [answer(0, "base"), answer(1, "base")])
    bad = lines(tmp_path / "tuned.jsonl", [answer(0, "tuned"), entry])
    with pytest.raises(PreferenceFileError) as caught:
        arena_hard_comparisons(questions, bad, good)
    assert said in str(caught.value)
    assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (question(0), "question id: the same as entry 1's"),
        ({"uid": "q1"}, "turns: must be a list of one turn"),
        ({"uid": "q1", "prompt": " "}, "prompt: "),
        ({"uid": "q1", "turns": [{"content": PRIVATE}, {"content": PRIVATE}]}, "turns: must be a list of one turn"),
    ],
)
def test_malformed_questions_are_named_and_not_quoted(tmp_path: Path, entry: Entry, said: str) -> None:
    questions = lines(tmp_path / "question.jsonl", [question(0), entry])
    answers = lines(tmp_path / "tuned.jsonl", [answer(0, "tuned")])
    with pytest.raises(PreferenceFileError) as caught:
        arena_hard_comparisons(questions, answers, answers)
    assert said in str(caught.value)
    assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"uid": "q9"}, "question id: is not one that is compared"),
        ({"uid": "q1"}, "question id: the same as entry 2's"),
        ({"model": "another"}, "model: is not the model that is compared"),
        ({"baseline": "another"}, "baseline: is not the baseline that is compared"),
        ({"games": [{"score": "A>B"}]}, "games: must be a list of two games"),
        ({"games": PRIVATE}, "games: must be a list of two games"),
        ({"games": [{"score": "A>B"}, {"score": PRIVATE}]}, "games[1].score: must be null or one of A>>B"),
        ({"games": [{"score": 3}, {"score": "A>B"}]}, "games[0].score: must be null or one of"),
        ({"games": [PRIVATE, {"score": "A>B"}]}, "games[0]: must be null or an object with score"),
        ({"games": [{}, {"score": "A>B"}]}, "games[0]: must be null or an object with score"),
    ],
)
def test_malformed_verdicts_are_named_and_not_quoted(tmp_path: Path, change: Entry, said: str) -> None:
    entries = [judgment(2, "A>B", "A>B"), judgment(1, "A>B", "A>B"), judgment(0, "A>B", "A>B") | change]
    with pytest.raises(PreferenceFileError) as caught:
        read_arena_hard_verdicts(lines(tmp_path / "verdicts.jsonl", entries), joined(tmp_path))
    assert "verdicts.jsonl, line 3" in str(caught.value)
    assert said in str(caught.value)
    assert PRIVATE not in str(caught.value)


def test_questions_without_a_verdict_are_counted(tmp_path: Path) -> None:
    path = lines(tmp_path / "verdicts.jsonl", [judgment(1, "A>B", "A>B")])
    with pytest.raises(PairwiseError, match="no verdict on 2 of 3 comparisons, the first of them being comparison 1"):
        read_arena_hard_verdicts(path, joined(tmp_path))
