"""Problems with a formula for an answer: what is asked, what the reference is, and what counts as the same."""

from __future__ import annotations

import importlib.util

import pytest

from simulations.evaluation.boxed_answers import MINERVA_OCW, OLYMPIAD_BENCH, BoxedAnswers, is_same_answer

needs_math_verify = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None,
    reason="math-verify is not installed (pip install 'tacit[lm-eval]')",
)


def row(answer: object, **more: object) -> dict[str, object]:
    """A made-up problem of OlympiadBench's shape."""
    return {"question": "How many ways are there?", "final_answer": answer, "is_multiple_answer": False, **more}


def test_the_model_is_asked_for_a_box_after_the_problem() -> None:
    prompt = OLYMPIAD_BENCH.prompt(row(["2"]))
    assert prompt.startswith("How many ways are there?\n")
    assert "\\boxed{}" in prompt
    assert "2" not in prompt


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (["$\\frac{1}{2}$"], "\\boxed{\\frac{1}{2}}"),
        (["3", "$4$"], "\\boxed{3, 4}"),
        (" $7$ ", "\\boxed{7}"),
    ],
)
def test_a_reference_is_put_in_a_box(answer: object, reference: str) -> None:
    assert OLYMPIAD_BENCH.reference(row(answer)) == reference
    assert MINERVA_OCW.reference({"question": "?", "answer": "5"}) == "\\boxed{5}"


def test_a_task_says_where_its_problems_are() -> None:
    config = OLYMPIAD_BENCH.task_config()
    assert (config["dataset_path"], config["dataset_name"], config["test_split"]) == (
        "Hothan/OlympiadBench",
        "OE_TO_maths_en_COMP",
        "train",
    )
    assert "dataset_name" not in MINERVA_OCW.task_config()
    local = BoxedAnswers(name="mine", data="json", split="test", answer="answer", data_file="mine.jsonl").task_config()
    assert local["dataset_kwargs"] == {"data_files": {"test": "mine.jsonl"}}


@needs_math_verify
@pytest.mark.parametrize(
    ("answer", "reply", "right"),
    [
        (["2"], "First 1 + 1, so \\boxed{2}.", True),
        (["2"], "So \\boxed{3}.", False),
        (["2"], "I do not know.", False),
        (["2"], "", False),
        (["$\\frac{1}{2}$"], "\\boxed{0.5}", True),
        (["$1,2$"], "\\boxed{2, 1}", True),
        (["1", "2"], "\\boxed{2} and \\boxed{1}", True),
        (["1", "2"], "\\boxed{1}", False),
        (["$2 n+1$"], "\\boxed{1+2n}", True),
        # An answer that was taken back still stands in its box.
        (["2"], "\\boxed{3}, or rather \\boxed{2}", False),
    ],
)
def test_a_reply_is_right_when_its_box_holds_the_same_thing(answer: object, reply: str, right: bool) -> None:
    assert OLYMPIAD_BENCH.score(row(answer), [reply]) == {"math_verify": float(right)}


@needs_math_verify
@pytest.mark.parametrize(
    ("error", "reply", "right"),
    [
        (None, "\\boxed{3.15}", False),
        ("", "\\boxed{3.15}", False),
        ("0.02", "\\boxed{3.15}", True),
        (0.02, "\\boxed{3.17}", False),
        ("1e-3,1e-3", "\\boxed{3.15}", False),
        ("0.02", "nothing", False),
        ("0.02", "\\boxed{x}", False),
    ],
)
def test_a_stated_error_is_allowed_to_numbers(error: object, reply: str, right: bool) -> None:
    assert OLYMPIAD_BENCH.score(row(["3.14"], error=error), [reply]) == {"math_verify": float(right)}


@needs_math_verify
def test_sets_have_no_distance() -> None:
    assert not is_same_answer("\\boxed{1, 2}", "\\boxed{1, 2.001}", error=0.1)
