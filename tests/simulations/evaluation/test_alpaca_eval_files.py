"""AlpacaEval's files: joined by instruction, verdicts told by their texts, and clear about what does not fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.preference_files import PreferenceFileError
from simulations.evaluation.alpaca_eval_files import alpaca_eval_comparisons, read_alpaca_eval_annotations
from simulations.evaluation.pairwise_result import ComparisonSet, PairwiseError, pairwise_result

PRIVATE = "my landlord's letter"

Entry = dict[str, object]


def output(place: int, text: str, **more: object) -> Entry:
    return {"instruction": f"{PRIVATE}, part {place}", "output": text, "dataset": "made up", **more}


def annotation(place: int, first: str, second: str, preference: float | None, **more: object) -> Entry:
    return {
        "instruction": f"{PRIVATE}, part {place}",
        "output_1": first,
        "output_2": second,
        "preference": preference,
        "annotator": "a judge",
        **more,
    }


def written(path: Path, entries: Sequence[Entry], *, lines: bool = False) -> Path:
    """A list, or JSON lines."""
    text = "\n".join(json.dumps(entry) for entry in entries) if lines else json.dumps(entries, indent=2)
    path.write_text(text, encoding="utf-8")
    return path


MODEL = [output(place, f"tuned {place}", generator="tuned") for place in range(4)]
BASELINE = [output(place, f"base {place} {'x' * place}", generator="base") for place in (2, 0, 3, 1)]


@pytest.fixture
def joined(tmp_path: Path) -> ComparisonSet:
    return alpaca_eval_comparisons(
        written(tmp_path / "model.json", MODEL), written(tmp_path / "baseline.json", BASELINE)
    )


def test_outputs_are_joined_by_instruction(joined: ComparisonSet) -> None:
    assert (joined.benchmark, joined.model, joined.baseline, joined.left_out) == ("alpaca-eval", "tuned", "base", 0)
    assert [comparison.model_output for comparison in joined.comparisons] == [f"tuned {place}" for place in range(4)]
    assert [comparison.baseline_output for comparison in joined.comparisons] == [
        f"base {place} {'x' * place}" for place in range(4)
    ]
    assert [comparison.entry for comparison in joined.comparisons] == [1, 2, 3, 4]
    assert joined.comparisons[0].instruction == f"{PRIVATE}, part 0"
    assert PRIVATE not in repr(joined)
    assert PRIVATE not in repr(joined.comparisons)


def test_lists_and_lines_are_the_same(tmp_path: Path, joined: ComparisonSet) -> None:
    model, baseline = tmp_path / "model.jsonl", tmp_path / "baseline.jsonl"
    assert alpaca_eval_comparisons(written(model, MODEL, lines=True), written(baseline, BASELINE, lines=True)) == joined


def test_without_a_generator_the_files_name_stands(tmp_path: Path) -> None:
    model, baseline = tmp_path / "mine.json", tmp_path / "theirs.json"
    found = alpaca_eval_comparisons(written(model, [output(0, "a")]), written(baseline, [output(0, "")]))
    assert (found.model, found.baseline) == ("mine", "theirs")
    assert found.comparisons[0].baseline_output == ""


def test_verdicts_are_told_by_the_outputs_and_not_by_their_order(tmp_path: Path, joined: ComparisonSet) -> None:
    base = [comparison.baseline_output for comparison in joined.comparisons]
    path = written(
        tmp_path / "annotations.json",
        [
            annotation(3, base[3], "tuned 3", None),
            annotation(1, "tuned 1", base[1], 1.25),
            annotation(0, base[0], "tuned 0", 2),
            annotation(2, base[2], "tuned 2", 1.000039552),
        ],
    )
    preferences = [verdict.preference for verdict in read_alpaca_eval_annotations(path, joined)]
    assert preferences == [1.0, 0.75, pytest.approx(0.000039552), None]


@pytest.mark.parametrize(("preference", "expected"), [(1, 0.0), (2, 1.0), (1.5, 0.5), (0, 0.5), (0.0, 0.5)])
def test_preferences_are_read_as_the_benchmark_writes_them(tmp_path: Path, preference: float, expected: float) -> None:
    model, baseline = written(tmp_path / "m.json", [output(0, "a")]), written(tmp_path / "b.json", [output(0, "b")])
    joined = alpaca_eval_comparisons(model, baseline)
    path = written(tmp_path / "annotations.json", [annotation(0, "b", "a", preference)])
    (verdict,) = read_alpaca_eval_annotations(path, joined)
    assert verdict.preference == expected
    assert verdict.order_inconsistent is None


def test_one_instruction_may_be_answered_for_several_users(tmp_path: Path) -> None:
    def outputs(text: str) -> list[Entry]:
        return [output(0, f"{text} {user}", user_id=user) for user in ("ann", "bob", 7)]

    joined = alpaca_eval_comparisons(
        written(tmp_path / "m.json", outputs("tuned")), written(tmp_path / "b.json", outputs("base")[::-1])
    )
    assert [comparison.user_id for comparison in joined.comparisons] == ["ann", "bob", "7"]
    assert joined.comparisons[1].baseline_output == "base bob"
    path = written(
        tmp_path / "annotations.json",
        [annotation(0, f"base {user}", f"tuned {user}", 1 + share, user_id=user)
         for user, share in (("bob", 0.2), ("ann", 0.1), (7, 0.3))],
    )  # fmt: skip
    verdicts = read_alpaca_eval_annotations(path, joined)
    assert [verdict.preference for verdict in verdicts] == pytest.approx([0.1, 0.2, 0.3])
    found = pairwise_result(joined, verdicts, judge="a judge", resamples=5, seed=0)
    assert found.drawn == "users"


def test_files_that_differ_are_refused_or_compared_in_part(tmp_path: Path) -> None:
    model = written(tmp_path / "model.json", MODEL[:3])
    baseline = written(tmp_path / "baseline.json", BASELINE)
    with pytest.raises(PairwiseError) as caught:
        alpaca_eval_comparisons(model, baseline)
    assert str(caught.value) == (
        f"{model} has no reply for 1 of the 4 entries wanted of {baseline}; entry 3 of them is the first"
    )
    with pytest.raises(PairwiseError, match="has no reply for 1 of the 4"):
        alpaca_eval_comparisons(baseline, model)
    found = alpaca_eval_comparisons(model, baseline, partial=True)
    assert (len(found.comparisons), found.left_out) == (3, 1)
    path = written(
        tmp_path / "annotations.json",
        [annotation(place, f"base {place} {'x' * place}", f"tuned {place}", 2) for place in range(4)],
    )
    assert len(read_alpaca_eval_annotations(path, found)) == 3


def test_files_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    model, baseline = written(tmp_path / "m.json", [output(0, "a")]), written(tmp_path / "b.json", [output(1, "b")])
    with pytest.raises(PairwiseError, match="nothing to compare"):
        alpaca_eval_comparisons(model, baseline, partial=True)


def test_a_file_of_several_models_is_refused(tmp_path: Path) -> None:
    mixed = [output(0, "a", generator="one"), output(1, "b", generator="another")]
    with pytest.raises(PairwiseError, match="holds the replies of 2 models"):
        alpaca_eval_comparisons(
            written(tmp_path / "m.json", mixed), written(tmp_path / "b.json", [output(0, "c"), output(1, "d")])
        )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (output(0, "again"), "entry 2, line 7, instruction: the same as entry 1's"),
        ({"output": PRIVATE}, "instruction: must be a string"),
        ({"instruction": "  ", "output": PRIVATE}, "instruction: "),
        ({"instruction": PRIVATE}, "output: must be a string"),
        ({"instruction": PRIVATE, "output": [PRIVATE]}, "output: must be a string"),
        ({"instruction": PRIVATE, "output": f"{PRIVATE} \ud800"}, "output: holds half of a surrogate pair"),
        ({"instruction": PRIVATE, "output": "a", "generator": 5}, "generator: must be a string"),
        ({"instruction": PRIVATE, "output": "a", "user_id": [PRIVATE]}, "user_id: must be a string or an integer"),
    ],
)
def test_malformed_outputs_are_named_and_not_quoted(tmp_path: Path, entry: Entry, said: str) -> None:
    good = written(tmp_path / "good.json", [output(0, "a")])
    bad = written(tmp_path / "bad.json", [output(0, "a"), entry])
    for files in ((good, bad), (bad, good)):
        with pytest.raises(PreferenceFileError) as caught:
            alpaca_eval_comparisons(*files)
        assert said in str(caught.value)
        assert "bad.json, entry 2" in str(caught.value)
        assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preference": "2"}, "preference: must be null, 0 or a number from 1 to 2"),
        ({"preference": 2.5}, "preference: must be"),
        ({"preference": 0.4}, "preference: must be"),
        ({"preference": True}, "preference: must be"),
        ({"output_1": None}, "output_1: must be a string"),
        ({"output_2": "tuned 9"}, "output_1 and output_2: are not the model's output and the baseline's"),
        ({"instruction": "another"}, "instruction: is not one that is compared"),
        ({"instruction": f"{PRIVATE}, part 1"}, "instruction: the same as entry 1's"),
    ],
)
def test_malformed_annotations_are_named_and_not_quoted(
    tmp_path: Path, joined: ComparisonSet, change: Entry, said: str
) -> None:
    good = annotation(1, "base 1 x", "tuned 1", 2)
    changed = annotation(0, "base 0 ", "tuned 0", 2) | change
    if change.get("instruction") == good["instruction"]:
        changed = good
    path = written(tmp_path / "annotations.json", [good, changed])
    with pytest.raises(PreferenceFileError) as caught:
        read_alpaca_eval_annotations(path, joined)
    assert said in str(caught.value)
    assert PRIVATE not in str(caught.value)
    assert "tuned 9" not in str(caught.value)


def test_an_annotation_without_preference_is_refused(tmp_path: Path, joined: ComparisonSet) -> None:
    entry = annotation(0, "base 0 ", "tuned 0", 2)
    del entry["preference"]
    with pytest.raises(PreferenceFileError, match="preference: missing"):
        read_alpaca_eval_annotations(written(tmp_path / "a.json", [entry]), joined)


def test_comparisons_without_a_verdict_are_counted(tmp_path: Path, joined: ComparisonSet) -> None:
    path = written(tmp_path / "annotations.json", [annotation(0, "base 0 ", "tuned 0", 2)])
    with pytest.raises(PairwiseError, match="no verdict on 3 of 4 comparisons, the first of them being comparison 2"):
        read_alpaca_eval_annotations(path, joined)
