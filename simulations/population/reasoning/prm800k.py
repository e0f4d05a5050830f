"""PRM800K: people's labels of each step of a model's solutions, as conversations in which a user points at the error.

Lines are those of `phase1_*.jsonl` and `phase2_*.jsonl` (Lightman et al., 2023, arXiv:2305.20050; MIT). A line is one
solution; each of its label's steps holds candidate sentences, rated -1 (wrong), 0 (no progress), 1 (good) or null (not
rated), and which of them the solution went on from: the one at `chosen_completion`, or, where that is null, the
labeller's own `human_completion`, or nothing. These are the *path*.

**Phase 2** (`pre_generated_steps` is there). The wrong reply is the pre-generated solution, whole. Labels follow it
until its first error and stop, so label step i is about pre-generated step i. The first wrong step is the first i at
which the candidate with the pre-generated text is rated -1; if the path has left the pre-generated text before, the
labels no longer speak of this solution, and the line is left out.

**Phase 1** (it is not). Labellers steered: of several candidates they rated, one was gone on from. The first wrong
step is the first i at which any candidate is rated -1; the wrong reply is the path up to there and that candidate (the
first of several), with which it ends, because nobody went on from it. If the path itself took it, the wrong reply is
the whole path.

**The correction.** If the path goes on from another sentence at the wrong step, has no sentence rated -1 and the line's
`finish_reason` is "solution", it is the path to its end: complete, if its answer is the right one. Else it stops after
one better sentence for the wrong step: the path's own if rated 1 or written by the labeller, else the first candidate
rated 1. Else there is none. Nearly all of phase 2 has corrections of one sentence: `ReasoningExample.as_pair` compares
such sides up to the same step.

The user is simulated: a line of `follow_ups` that says where the error is. Labellers did not say why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Literal, get_args

from shared.preference_files import read_lines
from simulations.population.reasoning.answers import check_answer
from simulations.population.reasoning.example import ReasoningExample
from simulations.population.reasoning.follow_ups import point_at
from simulations.population.reasoning.prm800k_records import LabelledSolution, LabelledStep, parse_solution

SOURCE = "prm800k"
ANSWER_HEADING = "# Answer"  # of the step that ends a solution

LeftOut = Literal[
    "a question to check labellers",
    "a broken problem or a labeller who gave up",
    "no known answer",
    "no step rated wrong",
    "labels that leave the pre-generated solution before its error",
    "the same solution and error again",
]
REASONS: tuple[LeftOut, ...] = get_args(LeftOut)


@dataclass(frozen=True, kw_only=True, repr=False)
class PrmExamples:
    """Attributes:
    examples: one for each labelled solution with a known first error, in the order of the files.
    left_out: reason → how many lines are not among them for it. May be zero.
    read: what was counted → how many.
    """

    examples: tuple[ReasoningExample, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"PrmExamples({len(self.examples)} examples)"


def load_prm800k(paths: Sequence[Path], *, seed: int = 0, held_out_wordings: bool = False) -> PrmExamples:
    """Every labelled solution with a known first error.

    Args:
        paths: the dataset's files, plain or gzip.
        seed: of what the simulated user says.
        held_out_wordings: let the user speak in wordings that training does not use.

    Raises:
        PreferenceFileError: malformed lines of one file, by file, line and field.
        OSError: a file cannot be read.
    """
    outcomes: Counter[LeftOut] = Counter()
    examples: list[ReasoningExample] = []
    seen: set[tuple[str, tuple[str, ...], int]] = set()
    lines = 0
    for path in paths:
        for solution in read_lines(path, partial(parse_solution, file=str(path))):
            lines += 1
            example_id = f"{path.name}:{solution.line}"
            example = as_example(
                solution,
                example_id=example_id,
                rng=Random(f"{SOURCE}/{seed}/{example_id}/{held_out_wordings}"),
                held_out_wordings=held_out_wordings,
            )
            if not isinstance(example, ReasoningExample):
                outcomes[example] += 1
                continue
            key = (example.problem, example.steps, example.first_wrong_step)
            if key in seen:
                outcomes["the same solution and error again"] += 1
                continue
            seen.add(key)
            examples.append(example)
    return PrmExamples(
        examples=tuple(examples),
        left_out={reason: outcomes[reason] for reason in REASONS},
        read={
            "solutions": lines,
            "with a complete correction": sum(example.correction_is_complete for example in examples),
            "with a corrected step": sum(
                example.corrected_steps is not None and not example.correction_is_complete for example in examples
            ),
            "with a wrong step and yet the right answer": sum(
                ANSWER_HEADING in example.steps[-1] and check_answer(example.reply, example.answer)
                for example in examples
            ),
        },
    )


def as_example(
    solution: LabelledSolution, *, example_id: str, rng: Random, held_out_wordings: bool = False
) -> ReasoningExample | LeftOut:
    """The example that a labelled solution makes, or why it makes none."""
    if solution.is_check:
        return "a question to check labellers"
    if solution.finish_reason in ("bad_problem", "give_up"):
        return "a broken problem or a labeller who gave up"
    if not solution.answer.strip():
        return "no known answer"
    found = _first_error(solution)
    if not isinstance(found, _Error):
        return found
    correction = _correction(solution, found.place)
    if correction is not None and correction[found.place] == found.steps[found.place]:
        correction = None  # the same sentence stands twice, with two ratings
    complete = (
        correction is not None
        and len(correction) == len(solution.steps)
        and ANSWER_HEADING in correction[-1]
        and check_answer(correction[-1], solution.answer)
    )
    return ReasoningExample(
        example_id=example_id,
        source=SOURCE,
        problem=solution.problem,
        steps=found.steps,
        first_wrong_step=found.place,
        follow_up=point_at(found.place, rng, text=found.steps[found.place], held_out=held_out_wordings),
        corrected_steps=correction,
        correction_is_complete=complete,
        answer=solution.answer,
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class _Error:
    """A wrong reply's steps, and the place of the first wrong one."""

    steps: tuple[str, ...]
    place: int


def _first_error(solution: LabelledSolution) -> _Error | LeftOut:
    if solution.pre_generated is None:
        return _first_error_of_path(solution.steps)
    for place, (said, step) in enumerate(zip(solution.pre_generated, solution.steps, strict=False)):
        rated = next((one.rating for one in step.candidates if one.text == said), None)
        if rated == -1:
            return _Error(steps=solution.pre_generated, place=place)
        if step.chosen is None or step.chosen.text != said:
            return "labels that leave the pre-generated solution before its error"
    return "no step rated wrong"


def _first_error_of_path(steps: Sequence[LabelledStep]) -> _Error | LeftOut:
    path: list[str] = []
    for place, step in enumerate(steps):
        wrong = next((one for one in step.candidates if one.rating == -1), None)
        if wrong is not None:
            if step.chosen is not None and step.chosen.rating == -1:
                rest = takewhile(lambda chosen: chosen is not None, (later.chosen for later in steps[place:]))
                return _Error(steps=(*path, *(one.text for one in rest if one is not None)), place=place)
            return _Error(steps=(*path, wrong.text), place=place)
        if step.chosen is None:
            break
        path.append(step.chosen.text)
    return "no step rated wrong"


def _correction(solution: LabelledSolution, place: int) -> tuple[str, ...] | None:
    chosen = [step.chosen for step in solution.steps]
    before = tuple(one.text for one in chosen[:place] if one is not None)
    after = [one for one in chosen[place:] if one is not None and one.rating != -1]
    if solution.finish_reason == "solution" and len(after) == len(chosen) - place:
        return (*before, *(one.text for one in after))
    step = solution.steps[place]
    good = [one for one in (step.chosen, *step.candidates) if one is not None and one.rating == 1]
    return (*before, good[0].text) if good else None
