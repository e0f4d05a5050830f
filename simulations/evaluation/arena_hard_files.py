"""Arena-Hard's files: questions and two models' answers as comparisons, and judgments as verdicts on them.

JSON lines, of Arena-Hard 2.0 or v0.1:

| file | an entry holds | in v0.1 |
|---|---|---|
| `question.jsonl` | `uid`, `category`, `prompt` | `question_id`, `category`, `turns` |
| `model_answer/MODEL.jsonl` | `uid`, `model`, `messages` | `question_id`, `model_id`, `choices` |
| `model_judgment/JUDGE/MODEL.jsonl` | `uid`, `model`, `baseline`, `games` | `question_id`, `model`, `games` |

A question has two games. In the first A is the baseline and B the model, in the second the other way round. A verdict
is one of A>>B, A>B, A=B, B>A, B>>A, or the same written from the other side (B<<A); a strong one, `>>`, counts
`STRONG_WEIGHT` times. A question with a game that has no verdict is left out of the win rate, as in Arena-Hard 2.0.

Li et al., 2024, "From Crowdsourced Data to High-Quality Benchmarks", arXiv:2406.11939; the formats are those of
lmarena/arena-hard-auto. Arena-Hard controls style by a regression of its own, on token counts and markdown; the length
control here is AlpacaEval's, on characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.preference_lines import JsonLine
from simulations.evaluation.pairwise_files import (
    Key,
    Reply,
    checked_text,
    make_comparison_set,
    read_keyed,
    require_replies,
    verdicts_in_order,
)
from simulations.evaluation.pairwise_result import Comparison, ComparisonSet, Verdict

STRONG_WEIGHT = 3
"""How often Arena-Hard counts A>>B."""

# Label → (preference for A, strong or not), from either side.
_LABELS: dict[str, tuple[float, bool]] = {
    "A>>B": (1.0, True),
    "A>B": (1.0, False),
    "A=B": (0.5, False),
    "B>A": (0.0, False),
    "B>>A": (0.0, True),
    "B<<A": (1.0, True),
    "B<A": (1.0, False),
    "B=A": (0.5, False),
    "A<B": (0.0, False),
    "A<<B": (0.0, True),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class _Question:
    category: str | None
    prompt: str


def arena_hard_comparisons(
    question_file: Path, model_file: Path, baseline_file: Path, *, category: str | None = None, partial: bool = False
) -> ComparisonSet:
    """Two files of Arena-Hard answers, joined by the ids of the questions.

    Args:
        question_file: `question.jsonl`.
        model_file, baseline_file: files of `model_answer`. Arena-Hard 2.0 has a baseline for each category.
        category: only the questions of this one.
        partial: compare the questions that both files answer instead of refusing files that lack one.

    Raises:
        PreferenceFileError: malformed or repeated entries, or an answer to no question, by file, line and field.
        PairwiseError: a question has no answer, nothing is left to compare, or one file holds several models' answers.
        OSError: a file cannot be read.
    """
    questions = read_keyed(question_file, "question id", _question)

    def answer(line: JsonLine) -> tuple[Key, Reply]:
        key = _question_key(line)
        if key not in questions:
            line.refuse("question id", "is no question's")
        return key, Reply(output=_output(line), generator=line.text("model" if "model" in line.values else "model_id"))

    model, baseline = (read_keyed(path, "question id", answer) for path in (model_file, baseline_file))
    asked = [key for key, question in questions.items() if category in (None, question.category)]
    if not partial:
        require_replies(model_file, model, question_file, asked)
        require_replies(baseline_file, baseline, question_file, asked)
    entries = {key: entry for entry, key in enumerate(model, 1)}
    comparisons = tuple(
        Comparison(
            instruction=questions[key].prompt,
            model_output=model[key].output,
            baseline_output=baseline[key].output,
            question_id=key[0],
            entry=entries[key],
        )
        for key in asked
        if key in model and key in baseline
    )
    return make_comparison_set(
        "arena-hard",
        comparisons,
        model=(model_file, model),
        baseline=(baseline_file, baseline),
        left_out=len(questions) - len(comparisons),
    )


def read_arena_hard_verdicts(
    path: Path, compared: ComparisonSet, *, strong_weight: int = STRONG_WEIGHT
) -> tuple[Verdict, ...]:
    """The verdicts of an Arena-Hard judgment file, in the order of the comparisons.

    A verdict's preference is the mean over its two games, a strong one counted `strong_weight` times; its weight is how
    many that makes. The win rate is then Arena-Hard's. The intervals are not: there single games are drawn, as if the
    two games of a question were two questions. Verdicts on questions that `compared` left out are passed over.

    Raises:
        PreferenceFileError: malformed or repeated entries, or a verdict on other models, by file, line and field.
        PairwiseError: a comparison has no entry.
        OSError: the file cannot be read.
    """
    if strong_weight < 1:
        raise ValueError("strong_weight must be at least 1")
    wanted: list[Key] = [(comparison.question_id or "", None) for comparison in compared.comparisons]
    known = frozenset(wanted)

    def verdict(line: JsonLine) -> tuple[Key, Verdict] | None:
        key = _question_key(line)
        if key not in known:
            return None if compared.left_out else line.refuse("question id", "is not one that is compared")
        if line.text("model") != compared.model:
            line.refuse("model", "is not the model that is compared")
        if "baseline" in line.values and line.text("baseline") != compared.baseline:
            line.refuse("baseline", "is not the baseline that is compared")
        games = line.values.get("games")
        if not isinstance(games, list) or len(games) != 2:
            line.refuse("games", "must be a list of two games")
        first, second = (_game(line, f"games[{place}]", game) for place, game in enumerate(games))
        return key, _two_games(first, second, strong_weight)

    return verdicts_in_order(path, read_keyed(path, "question id", verdict), wanted)


def _two_games(first: tuple[float, bool] | None, second: tuple[float, bool] | None, strong_weight: int) -> Verdict:
    """A verdict from both games' (preference for A, strong or not): B is the model in the first, A in the second."""
    if first is None or second is None:
        return Verdict(preference=None)
    preferences = (1 - first[0], second[0])
    weights = tuple(strong_weight if strong else 1 for _, strong in (first, second))
    return Verdict(
        preference=sum(weight * preference for weight, preference in zip(weights, preferences, strict=True))
        / sum(weights),
        weight=sum(weights),
        order_inconsistent=set(preferences) == {0.0, 1.0},
    )


def _game(line: JsonLine, where: str, game: object) -> tuple[float, bool] | None:
    if game is None:
        return None
    if not isinstance(game, dict) or "score" not in game:
        line.refuse(where, "must be null or an object with score")
    label = game["score"]
    if label is None:
        return None
    if not isinstance(label, str) or label not in _LABELS:
        line.refuse(f"{where}.score", f"must be null or one of {', '.join(_LABELS)}")
    return _LABELS[label]


def _question(line: JsonLine) -> tuple[Key, _Question]:
    prompt = line.text("prompt") if "prompt" in line.values else _only_turn(line, "turns", line.values.get("turns"))
    category = line.text("category") if "category" in line.values else None
    return _question_key(line), _Question(category=category, prompt=prompt)


def _output(line: JsonLine) -> str:
    """The reply of an answer: the last message, or the one turn of the first choice (v0.1)."""
    if "messages" not in line.values:
        choices = line.values.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        return _only_turn(line, "choices[0].turns", first.get("turns") if isinstance(first, dict) else None)
    messages = line.values["messages"]
    entries = messages if isinstance(messages, list) else []
    roles = [entry.get("role") if isinstance(entry, dict) else None for entry in entries]
    if roles[-1:] != ["assistant"] or roles.count("assistant") != 1:
        line.refuse("messages", "must be a list of messages of which the last and no other is the assistant's")
    content = entries[-1].get("content")
    return checked_text(line, "messages[-1].content", content.get("answer") if isinstance(content, dict) else content)


def _only_turn(line: JsonLine, where: str, turns: object) -> str:
    if not isinstance(turns, list) or len(turns) != 1 or not isinstance(turns[0], dict):
        line.refuse(where, "must be a list of one turn")
    return checked_text(line, f"{where}[0].content", turns[0].get("content"))


def _question_key(line: JsonLine) -> Key:
    return line.identifier("uid" if "uid" in line.values else "question_id"), None
