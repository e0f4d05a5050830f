"""PRM800K's lines as values: `simulations.population.reasoning.prm800k` says what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from shared.preference_lines import JsonLine, parse_json_line
from simulations.population.record_fields import flag, integer, items, optional_string, record, string

_KEYS = frozenset(
    {"labeler", "timestamp", "generation", "is_quality_control_question", "is_initial_screening_question"}
    | {"question", "label"}
)
_QUESTION_KEYS = ("problem", "ground_truth_answer")
_PHASE_2_KEYS = (
    *("ground_truth_solution", "pre_generated_steps", "pre_generated_answer"),
    "pre_generated_verifier_score",
)
_FINISH_REASONS = ("found_error", "solution", "bad_problem", "give_up")


@dataclass(frozen=True, kw_only=True, repr=False)
class Candidate:
    """A sentence for a step; `rating` is -1 (wrong), 0 (no progress), 1 (good) or None (not rated)."""

    text: str
    rating: int | None


@dataclass(frozen=True, kw_only=True, repr=False)
class LabelledStep:
    """Attributes:
    candidates: what was rated.
    chosen: the candidate that the solution went on from, a labeller's sentence rated 1, or None.
    """

    candidates: tuple[Candidate, ...]
    chosen: Candidate | None


@dataclass(frozen=True, kw_only=True, repr=False)
class LabelledSolution:
    """One line of a file.

    Attributes:
        line: its number, from 1.
        answer: the right one; empty where the dataset has none.
        pre_generated: the solution that was labelled; None in phase 1, where labellers steered.
        finish_reason: "found_error", "solution", "bad_problem" or "give_up".
        is_check: served to see how labellers do.
    """

    line: int
    problem: str
    answer: str
    pre_generated: tuple[str, ...] | None
    steps: tuple[LabelledStep, ...]
    finish_reason: str
    is_check: bool


def parse_solution(text: str, number: int, *, file: str) -> LabelledSolution:
    """Parse one line.

    Raises:
        PreferenceLineError: it is malformed.
    """
    line = parse_json_line(text, file=file, line=number)
    line.check_keys(required=_KEYS, optional=())
    line.text("labeler")
    line.text("timestamp")
    if line.values["generation"] is not None:
        integer(line, "generation", line.values["generation"])
    checks = [
        flag(line, key, line.values[key]) for key in ("is_quality_control_question", "is_initial_screening_question")
    ]
    question = record(line, "question", line.values["question"], required=_QUESTION_KEYS, optional=_PHASE_2_KEYS)
    label = record(line, "label", line.values["label"], required=("steps", "total_time", "finish_reason"))
    integer(line, "label.total_time", label["total_time"])
    finish_reason = string(line, "label.finish_reason", label["finish_reason"])
    if finish_reason not in _FINISH_REASONS:
        line.refuse("label.finish_reason", f"must be one of {', '.join(_FINISH_REASONS)}")
    problem = string(line, "question.problem", question["problem"])
    if not problem.strip():
        line.refuse("question.problem", "must not be blank")
    return LabelledSolution(
        line=number,
        problem=problem,
        answer=optional_string(line, "question.ground_truth_answer", question["ground_truth_answer"]),
        pre_generated=_pre_generated(line, question.get("pre_generated_steps")),
        steps=tuple(
            _parse_step(line, f"label.steps[{place}]", step)
            for place, step in enumerate(items(line, "label.steps", label["steps"]))
        ),
        finish_reason=finish_reason,
        is_check=any(checks),
    )


def _pre_generated(line: JsonLine, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    key = "question.pre_generated_steps"
    return tuple(string(line, f"{key}[{place}]", step) for place, step in enumerate(items(line, key, value)))


def _parse_step(line: JsonLine, where: str, value: object) -> LabelledStep:
    step = record(line, where, value, required=("completions", "human_completion", "chosen_completion"))
    completions = step["completions"]
    candidates = tuple(
        _parse_candidate(line, f"{where}.completions[{place}]", completion)
        for place, completion in enumerate(
            () if completions is None else items(line, f"{where}.completions", completions)
        )
    )
    if step["chosen_completion"] is not None:
        place = integer(line, f"{where}.chosen_completion", step["chosen_completion"])
        if not 0 <= place < len(candidates):
            line.refuse(f"{where}.chosen_completion", "must be the place of a completion")
        return LabelledStep(candidates=candidates, chosen=candidates[place])
    if step["human_completion"] is None:
        return LabelledStep(candidates=candidates, chosen=None)
    written = _parse_candidate(line, f"{where}.human_completion", step["human_completion"])
    return LabelledStep(
        candidates=candidates, chosen=Candidate(text=written.text, rating=1) if written.text.strip() else None
    )


def _parse_candidate(line: JsonLine, where: str, value: object) -> Candidate:
    completion = record(
        line, where, value, required=("text", "rating", "flagged"), optional=("source", "corrected_rating")
    )
    rating = completion["rating"]
    if rating is not None and integer(line, f"{where}.rating", rating) not in (-1, 0, 1):
        line.refuse(f"{where}.rating", "must be -1, 0, 1 or null")
    if completion["flagged"] is not None:
        flag(line, f"{where}.flagged", completion["flagged"])
    return Candidate(
        text=string(line, f"{where}.text", completion["text"]), rating=rating if isinstance(rating, int) else None
    )
