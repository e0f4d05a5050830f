"""Problems with a formula for an answer, of which lm-eval has no task: OlympiadBench, and Minerva's undergraduate set.

The model is asked for its answer in a box, without examples, and math-verify decides whether answer and reference are
the same mathematical object. A question with several answers is right when the sets agree. Where the data state an
error (OlympiadBench), a number within it is right.

These are not the benchmarks' own scripts. OlympiadBench's asks in other words and compares by rules of its own; Minerva
was given four examples and compared more narrowly. Compare figures from here with figures from here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

INSTRUCTION = "Reason step by step, and put your final answer within \\boxed{}."

METRIC = "math_verify"

_Row = Mapping[str, object]


class _MathVerify(Protocol):
    """The two functions of math-verify (the extra `tacit[lm-eval]` brings it)."""

    def parse(self, pred: str) -> list[object]: ...

    def verify(self, gold: list[object], target: list[object]) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class BoxedAnswers:
    """One such benchmark.

    Attributes:
        name: of the task.
        data: on the Hugging Face hub; or "json" with `data_file`.
        subset: of the data, where they have several.
        split: which part is asked.
        answer: the column of the reference answer: a text, or a list of texts that belong together. The problem is in
            the column "question".
        max_new_tokens: what a reply may take.
        data_file: a file of JSON lines instead of the hub.
    """

    name: str
    data: str
    subset: str | None = None
    split: str
    answer: str
    max_new_tokens: int = 2048
    data_file: str | None = None

    def task_config(self) -> dict[str, object]:
        """The task as lm-eval's `TaskManager.load` takes it."""
        config: dict[str, object] = {
            "task": self.name,
            "dataset_path": self.data,
            "test_split": self.split,
            "output_type": "generate_until",
            "num_fewshot": 0,
            "doc_to_text": self.prompt,
            "doc_to_target": self.reference,
            "process_results": self.score,
            "generation_kwargs": {"until": [], "max_gen_toks": self.max_new_tokens, "do_sample": False},
            "metric_list": [{"metric": METRIC, "aggregation": "mean", "higher_is_better": True}],
            "metadata": {"version": 1.0},
        }
        if self.subset is not None:
            config["dataset_name"] = self.subset
        if self.data_file is not None:
            config["dataset_kwargs"] = {"data_files": {self.split: self.data_file}}
        return config

    def prompt(self, row: _Row) -> str:
        """What the model reads."""
        return f"{row['question']}\n\n{INSTRUCTION}"

    def reference(self, row: _Row) -> str:
        """The reference answer in a box."""
        value = row[self.answer]
        parts = [value] if isinstance(value, str) else cast("Sequence[str]", value)
        return "\\boxed{" + ", ".join(part.strip().strip("$") for part in parts) + "}"

    def score(self, row: _Row, replies: Sequence[str]) -> dict[str, float]:
        """1 where the (one) reply's answer is the reference, else 0."""
        right = is_same_answer(self.reference(row), replies[0], error=_error(row.get("error")))
        return {METRIC: float(right)}


OLYMPIAD_BENCH = BoxedAnswers(
    name="tacit_olympiadbench",
    data="Hothan/OlympiadBench",
    subset="OE_TO_maths_en_COMP",
    split="train",
    answer="final_answer",
)
"""674 competition problems in mathematics, English, without pictures or proofs (He et al., 2024, arXiv:2402.14008)."""

MINERVA_OCW = BoxedAnswers(name="tacit_minerva_ocw", data="math-ai/minervamath", split="test", answer="answer")
"""272 undergraduate problems from OpenCourseWare (Lewkowycz et al., 2022, arXiv:2206.14858, "OCWCourses")."""


def is_same_answer(reference: str, reply: str, *, error: float | None = None) -> bool:
    """Whether a reply's answer is the reference's.

    Args:
        reference: the reference in a box.
        reply: the model's text; all its boxes together are its answer.
        error: how far off a number may be, absolutely.

    Raises:
        ModuleNotFoundError: math-verify is not installed.
    """
    math_verify = cast(_MathVerify, importlib.import_module("math_verify"))
    wanted, given = math_verify.parse(reference), math_verify.parse(reply)
    if math_verify.verify(wanted, given):
        return True
    if error is None:
        return False
    number, other = _number(wanted), _number(given)
    return number is not None and other is not None and abs(number - other) <= error


def _number(parsed: Sequence[object]) -> float | None:
    try:
        return float(parsed[0])  # type: ignore[arg-type]  # SymPy numbers have __float__, other objects raise
    except (IndexError, TypeError, ValueError, OverflowError):
        return None


def _error(value: object) -> float | None:
    """OlympiadBench's column `error`: empty, or a number as text, or one for each answer, which is not used."""
    try:
        return float(value) if isinstance(value, str | int | float) and value != "" else None
    except ValueError:
        return None
