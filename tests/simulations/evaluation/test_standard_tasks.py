"""Named benchmarks, and what is read of lm-eval's results: here results as lm-eval 0.4.13 gave them, shortened."""

from __future__ import annotations

import json

import pytest

from simulations.evaluation.boxed_answers import BoxedAnswers
from simulations.evaluation.standard_tasks import (
    STANDARD_TASKS,
    BenchmarkScore,
    StandardBenchmarkError,
    StandardBenchmarks,
    read_scores,
)

Results = dict[str, object]


def results_of_a_group() -> Results:
    parts = {f"mmlu_pro_{subject}": share for subject, share in (("law", 0.25), ("math", 0.5))}
    return {
        "results": {
            "mmlu_pro": {
                "name": "mmlu_pro",
                "alias": "mmlu_pro",
                "sample_len": 12,
                "exact_match,custom-extract": 1 / 3,
                "exact_match_stderr,custom-extract": 0.1,
                "sample_count": {"exact_match,custom-extract": 12},
            },
            **{part: {"alias": part, "exact_match,custom-extract": share} for part, share in parts.items()},
        },
        "groups": {"mmlu_pro": {"exact_match,custom-extract": 1 / 3}},
        "group_subtasks": {"mmlu_pro": list(parts)},
        "versions": {"mmlu_pro": 2.0, **dict.fromkeys(parts, 3.1)},
        "n-shot": dict.fromkeys(parts, 5),
        "n-samples": {
            "mmlu_pro_law": {"original": 1101, "effective": 8},
            "mmlu_pro_math": {"original": 1351, "effective": 4},
        },
    }


def results_of_tasks(*names: str) -> Results:
    return {
        "results": {
            name: {
                "alias": name,
                "acc,none": 0.5,
                "acc_stderr,none": "N/A",
                "acc_norm,none": 0.25,
                "acc_norm_stderr,none": 0.1,
            }
            for name in names
        },
        "versions": {names[0]: None},
        "n-shot": {name: place for place, name in enumerate(names)},
        "n-samples": {name: {"original": 10 + place, "effective": 10} for place, name in enumerate(names)},
    }


def test_a_group_is_one_score_over_all_its_parts() -> None:
    (score,) = read_scores(results_of_a_group(), "mmlu-pro", seconds=2.0)
    assert score == BenchmarkScore(
        name="mmlu-pro",
        version="2.0",
        examples=5,
        questions=2452,
        asked=12,
        metric="exact_match,custom-extract",
        value=1 / 3,
        standard_error=0.1,
        figures={"exact_match,custom-extract": 1 / 3, "exact_match_stderr,custom-extract": 0.1},
        seconds=2.0,
    )


def test_parts_with_different_examples_have_no_common_number_of_them() -> None:
    results = results_of_a_group()
    results["n-shot"] = {"mmlu_pro_law": 5, "mmlu_pro_math": 0}
    (score,) = read_scores(results, "mmlu_pro", seconds=1.0)
    assert score.examples is None
    assert score.name == "mmlu_pro"


def test_a_task_is_one_score_and_a_tag_one_for_each_of_its_tasks() -> None:
    (alone,) = read_scores(results_of_tasks("arc_easy"), "arc_easy", seconds=1.0)
    assert (alone.metric, alone.value, alone.standard_error) == ("acc,none", 0.5, None)
    assert (alone.version, alone.examples, alone.questions, alone.asked) == (None, 0, 10, 10)
    assert set(alone.figures) == {"acc,none", "acc_norm,none", "acc_norm_stderr,none"}
    several = read_scores(results_of_tasks("arc_easy", "arc_challenge"), "ai2_arc", seconds=1.0)
    assert [(score.name, score.questions, score.examples) for score in several] == [
        ("arc_easy", 10, 0),
        ("arc_challenge", 11, 1),
    ]


def test_a_figure_that_is_not_there_is_an_error_and_not_another_figure() -> None:
    results = results_of_tasks("mmlu_pro")
    with pytest.raises(StandardBenchmarkError, match="hold no exact_match,custom-extract"):
        read_scores(results, "mmlu-pro", seconds=1.0)
    with pytest.raises(StandardBenchmarkError, match="hold no a metric"):
        read_scores({"results": {"x": {"alias": "x", "acc,none": float("nan")}}}, "x", seconds=1.0)


def test_names_are_the_keys_and_each_task_is_lm_evals_or_ours() -> None:
    assert list(STANDARD_TASKS) == [
        "mmlu-pro",
        "gpqa-main",
        "gpqa-diamond",
        "minerva-math",
        "math-500",
        "minerva-ocw",
        "olympiadbench",
    ]
    for name, task in STANDARD_TASKS.items():
        assert task.name == name
        assert task.metric.count(",") == 1
        if isinstance(task.task, BoxedAnswers):
            assert task.task_name == task.task.name
            assert task.data == task.task.data


def test_what_was_measured_is_kept_and_shown() -> None:
    scores = read_scores(results_of_a_group(), "mmlu-pro", seconds=2.0)
    found = StandardBenchmarks(
        model="tacit-tiny",
        adapter=None,
        chat_template=True,
        limit=8,
        max_new_tokens=None,
        lm_eval="0.4.13",
        scores=(*scores, *read_scores(results_of_tasks("arc_easy"), "arc_easy", seconds=1.0)),
    )
    assert found.rows() == (("mmlu-pro", "33.3% ± 19.6%", "12 of 2,452"), ("arc_easy", "50.0%", "10"))
    kept = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert kept["scores"][0]["figures"]["exact_match,custom-extract"] == pytest.approx(1 / 3)
    assert kept["lm_eval"] == "0.4.13"
