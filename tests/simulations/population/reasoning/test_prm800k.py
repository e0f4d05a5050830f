"""PRM800K's labels as conversations: made lines in the exact schema, both phases, every line kept or counted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.preference_files import PreferenceFileError
from simulations.population.reasoning.example import ReasoningExample
from simulations.population.reasoning.follow_ups import HELD_OUT_WHERE, WHERE
from simulations.population.reasoning.prm800k import REASONS, load_prm800k

PRIVATE = "zebra-quartz-7781"
Row = dict[str, object]
Rated = tuple[str, int | None]


def step(*rated: Rated, chosen: int | None = 0, written: str | None = None) -> Row:
    """A label's step: candidates with ratings, the one gone on from, or the labeller's own sentence."""
    human = {"text": written, "rating": None, "source": "human", "flagged": False, "corrected_rating": None}
    return {
        "completions": [{"text": text, "rating": rating, "flagged": None} for text, rating in rated],
        "human_completion": None if written is None else human,
        "chosen_completion": chosen,
    }


def row(
    steps: Sequence[Row], *, pre_generated: Sequence[str] | None = None, finish: str = "solution", **changes: object
) -> Row:
    """A line of phase 1, or of phase 2 where there is a pre-generated solution."""
    phase_2 = {
        "ground_truth_solution": "It is 12.",
        "pre_generated_steps": pre_generated,
        "pre_generated_answer": "13",
        "pre_generated_verifier_score": 0.01,
    }
    return {
        "labeler": "340d89bc-0000",
        "timestamp": "2023-01-22T04:34:27.052924",
        "generation": None if pre_generated is None else 9,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {
            "problem": f"{PRIVATE}: what is 4 * 3?",
            "ground_truth_answer": "12",
            **({} if pre_generated is None else phase_2),
        },
        "label": {"steps": steps, "total_time": 278270, "finish_reason": finish},
        **changes,
    }


def write(directory: Path, rows: Sequence[Row], name: str = "phase2_train.jsonl") -> Path:
    path = directory / name
    content = "".join(json.dumps(entry) + "\n" for entry in rows).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def only(directory: Path, entry: Row) -> ReasoningExample:
    (example,) = load_prm800k([write(directory, [entry])]).examples
    return example


END = "So it is 13.\n\n# Answer\n\n13"
RIGHT = "So it is 12.\n\n# Answer\n\n12"
PRE = ("I multiply.", "4 * 3 = 13.", END)


def test_phase_2_points_at_the_first_rejected_step_of_the_whole_solution(tmp_path: Path) -> None:
    labels = [
        step(("I multiply.", 1)),
        step(("4 * 3 = 13.", -1), ("Let me think.", 0), ("4 * 3 = 12.", 1), ("It is 12.", 1), chosen=None),
    ]
    example = only(tmp_path, row(labels, pre_generated=PRE, finish="found_error"))
    assert example.steps == PRE
    assert example.first_wrong_step == 1
    assert example.corrected_steps == ("I multiply.", "4 * 3 = 12.")
    assert not example.correction_is_complete
    assert example.answer == "12"
    said = example.follow_up.lower()
    assert ("step 2" in said) != ("second step" in said)
    assert [message.content for message in example.as_conversation().messages] == [
        example.problem,
        f"Step 1: I multiply.\nStep 2: 4 * 3 = 13.\nStep 3: {END}",
        example.follow_up,
    ]
    pair = example.as_pair()  # both sides end where the correction does
    assert pair.rejected[0].content == "Step 1: I multiply.\nStep 2: 4 * 3 = 13."
    assert pair.chosen[0].content == "Step 1: I multiply.\nStep 2: 4 * 3 = 12."
    assert PRIVATE not in repr(example)


def test_phase_2_without_a_better_sentence_has_no_correction(tmp_path: Path) -> None:
    labels = [step(("I multiply.", 0)), step(("4 * 3 = 13.", -1), ("Hm.", 0), ("Oh.", -1), chosen=None)]
    example = only(tmp_path, row(labels, pre_generated=PRE, finish="found_error"))
    assert example.corrected_steps is None
    assert example.first_wrong_step == 1


def test_phase_1_corrects_by_the_path_that_labellers_steered(tmp_path: Path) -> None:
    labels = [
        step(("I multiply.", 1)),
        step(("4 * 3 = 13.", -1), ("4 * 3 = 14.", -1), ("4 * 3 = 12.", 1), chosen=2),
        step((RIGHT, 1)),
    ]
    example = only(tmp_path, row(labels))
    assert example.steps == ("I multiply.", "4 * 3 = 13.")  # nobody went on from it
    assert example.corrected_steps == ("I multiply.", "4 * 3 = 12.", RIGHT)
    assert example.correction_is_complete
    assert example.as_pair().rejected[0].content == "Step 1: I multiply.\nStep 2: 4 * 3 = 13."


def test_a_labellers_own_sentence_is_part_of_the_path(tmp_path: Path) -> None:
    written = step(("4 * 3 = 13.", -1), ("Hm.", 0), chosen=None, written="4 * 3 = 12.")
    example = only(tmp_path, row([step(("I multiply.", 1)), written, step((RIGHT, 1))]))
    assert example.corrected_steps == ("I multiply.", "4 * 3 = 12.", RIGHT)
    assert example.correction_is_complete
    # Without an end, the labeller's sentence is still a better step.
    given_up = row([step(("I multiply.", 1)), written], finish="found_error")
    assert only(tmp_path, given_up).corrected_steps == ("I multiply.", "4 * 3 = 12.")
    nothing = {**written, "completions": None}
    assert load_prm800k([write(tmp_path, [row([nothing])])]).examples == ()


def test_phase_1_where_the_path_itself_went_wrong(tmp_path: Path) -> None:
    labels = [
        step(("I multiply.", 1)),
        step(("4 * 3 = 13.", -1), ("4 * 3 = 12.", 1)),
        step((END, -1)),
        step(chosen=None),
    ]
    example = only(tmp_path, row(labels, finish="found_error"))
    assert example.steps == PRE
    assert example.first_wrong_step == 1
    assert example.corrected_steps == ("I multiply.", "4 * 3 = 12.")


def test_a_path_that_ends_in_a_wrong_answer_completes_nothing(tmp_path: Path) -> None:
    labels = [step(("4 * 3 = 13.", -1), ("4 * 3 = 12.", 1), chosen=1), step((END, 1))]
    example = only(tmp_path, row(labels))
    assert example.corrected_steps == ("4 * 3 = 12.", END)
    assert not example.correction_is_complete


def test_a_path_that_errs_again_corrects_one_step_only(tmp_path: Path) -> None:
    labels = [step(("4 * 3 = 13.", -1), ("4 * 3 = 12.", 1), chosen=1), step(("4 is 3.", -1)), step((RIGHT, 1))]
    example = only(tmp_path, row(labels))
    assert example.corrected_steps == ("4 * 3 = 12.",)
    assert not example.correction_is_complete


def test_a_sentence_with_two_ratings_corrects_nothing(tmp_path: Path) -> None:
    labels = [step(("Same.", -1), ("Same.", 1), chosen=1), step((RIGHT, 1))]
    assert only(tmp_path, row(labels)).corrected_steps is None


ERROR = [step(("I multiply.", 1)), step(("4 * 3 = 13.", -1), chosen=None)]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (row(ERROR, pre_generated=PRE, is_quality_control_question=True), "a question to check labellers"),
        (row(ERROR, pre_generated=PRE, is_initial_screening_question=True), "a question to check labellers"),
        (row(ERROR, pre_generated=PRE, finish="bad_problem"), "a broken problem or a labeller who gave up"),
        (row(ERROR, pre_generated=PRE, finish="give_up"), "a broken problem or a labeller who gave up"),
        (row(ERROR, question={"problem": "p", "ground_truth_answer": None}), "no known answer"),
        (row([step((text, 1)) for text in PRE], pre_generated=PRE), "no step rated wrong"),
        (row([step(("a", 0)), step(("b", None))]), "no step rated wrong"),
        (row([]), "no step rated wrong"),
        (
            row([step(("I multiply.", 0), ("I add.", 1), chosen=1), *ERROR[1:]], pre_generated=PRE),
            "labels that leave the pre-generated solution before its error",
        ),
        (row(ERROR, pre_generated=PRE, finish="found_error"), "the same solution and error again"),
    ],
)
def test_lines_that_make_no_example_are_counted(tmp_path: Path, entry: Row, reason: str) -> None:
    loaded = load_prm800k([write(tmp_path, [row(ERROR, pre_generated=PRE, finish="found_error"), entry])])
    assert len(loaded.examples) == 1
    assert {name: count for name, count in loaded.left_out.items() if count} == {reason: 1}
    assert tuple(loaded.left_out) == REASONS
    assert loaded.read["solutions"] == 2


def test_what_is_known_of_corrections_is_counted(tmp_path: Path) -> None:
    right_after_all = ("I multiply.", "4 * 3 = 13.", "No, 12.\n\n# Answer\n\n12")
    rows = [
        row([step(("4 * 3 = 13.", -1), ("4 * 3 = 12.", 1), chosen=1), step((RIGHT, 1))]),
        row([*ERROR[:1], step(("4 * 3 = 13.", -1), ("4 * 3 = 12.", 1), chosen=None)], pre_generated=right_after_all),
        row(ERROR, pre_generated=PRE, finish="found_error"),
    ]
    loaded = load_prm800k([write(tmp_path, rows)])
    assert dict(loaded.read) == {
        "solutions": 3,
        "with a complete correction": 1,
        "with a corrected step": 1,
        "with a wrong step and yet the right answer": 1,
    }


ratings = st.sampled_from([-1, 0, 1, None])
made_steps = st.lists(
    st.builds(
        lambda rated, chosen, written: step(
            *((f"s{place}", rating) for place, rating in enumerate(rated)),
            chosen=None if chosen is None or chosen >= len(rated) else chosen,
            written=written,
        ),
        st.lists(ratings, max_size=3),
        st.one_of(st.none(), st.integers(0, 2)),
        st.one_of(st.none(), st.sampled_from(["w", RIGHT])),
    ),
    max_size=4,
)


@given(st.lists(st.tuples(made_steps, st.booleans(), st.sampled_from(["found_error", "solution"])), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_an_example_or_counted(tmp_path: Path, made: list[tuple[list[Row], bool, str]]) -> None:
    rows = [
        row(steps, pre_generated=("s0", "s1", "s0") if phase_2 else None, finish=finish)
        for steps, phase_2, finish in made
    ]
    loaded = load_prm800k([write(tmp_path, rows)])
    assert len(loaded.examples) + sum(loaded.left_out.values()) == len(rows)
    for example in loaded.examples:
        if example.corrected_steps is not None:
            assert example.as_pair().chosen != example.as_pair().rejected


def test_wordings_depend_on_the_seed_and_can_be_held_out(tmp_path: Path) -> None:
    rows = [row([step((f"a{i}", -1), ("b", 1), chosen=None)]) for i in range(30)]
    path = write(tmp_path, rows, name="phase1_train.jsonl.gz")
    once, again, other = (load_prm800k([path], seed=seed) for seed in (1, 1, 2))
    assert once == again != other
    starts = {wording.split("{")[0] for wording in HELD_OUT_WHERE}
    held_out = load_prm800k([path], held_out_wordings=True)
    assert all(any(example.follow_up.startswith(start) for start in starts) for example in held_out.examples)
    assert not starts & {wording.split("{")[0] for wording in WHERE}
    assert [example.example_id for example in once.examples[:2]] == [
        "phase1_train.jsonl.gz:1",
        "phase1_train.jsonl.gz:2",
    ]


def with_label(**changes: object) -> Row:
    return row([], label={"steps": [], "total_time": 1, "finish_reason": "solution", **changes})


def with_step(**changes: object) -> Row:
    return row([{**step(("a", 1)), **changes}])


def with_completion(**changes: object) -> Row:
    return with_step(completions=[{"text": PRIVATE, "rating": 1, "flagged": None, **changes}])


def with_question(**changes: object) -> Row:
    return row([], question={"problem": PRIVATE, "ground_truth_answer": "1", **changes})


STEP = "label.steps[0]"
MALFORMED: dict[str, tuple[Row, str]] = {
    "unknown key": (row([], extra=1), "extra"),
    "missing key": ({key: value for key, value in row([]).items() if key != "label"}, "label"),
    "labeler": (row([], labeler=None), "labeler"),
    "generation": (row([], generation="9"), "generation"),
    "check": (row([], is_quality_control_question=0), "is_quality_control_question"),
    "question": (row([], question=PRIVATE), "question"),
    "question with more": (with_question(**{PRIVATE: 1}), "question"),
    "question with less": (row([], question={"problem": PRIVATE}), "question.ground_truth_answer"),
    "problem": (with_question(problem=" "), "question.problem"),
    "pre-generated": (with_question(pre_generated_steps=PRIVATE), "question.pre_generated_steps"),
    "pre-generated step": (with_question(pre_generated_steps=["a", 1]), "question.pre_generated_steps[1]"),
    "label": (row([], label=[PRIVATE]), "label"),
    "time": (with_label(total_time="1"), "label.total_time"),
    "finish reason": (with_label(finish_reason=PRIVATE), "label.finish_reason"),
    "steps": (with_label(steps={}), "label.steps"),
    "step": (with_label(steps=[PRIVATE]), STEP),
    "step with less": (with_label(steps=[{"completions": []}]), f"{STEP}.chosen_completion"),
    "completions": (with_step(completions=PRIVATE), f"{STEP}.completions"),
    "chosen": (with_step(chosen_completion=1), f"{STEP}.chosen_completion"),
    "chosen of a wrong type": (with_step(chosen_completion=True), f"{STEP}.chosen_completion"),
    "completion": (with_step(completions=[PRIVATE]), f"{STEP}.completions[0]"),
    "text": (with_completion(text=None), f"{STEP}.completions[0].text"),
    "rating": (with_completion(rating=2), f"{STEP}.completions[0].rating"),
    "rating of a wrong type": (with_completion(rating=True), f"{STEP}.completions[0].rating"),
    "flagged": (with_completion(flagged=1), f"{STEP}.completions[0].flagged"),
    "completion with more": (with_completion(**{PRIVATE: 1}), f"{STEP}.completions[0]"),
    "written": (with_step(chosen_completion=None, human_completion=PRIVATE), f"{STEP}.human_completion"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_line_is_named_by_line_and_field(tmp_path: Path, case: str) -> None:
    entry, field = MALFORMED[case]
    path = write(tmp_path, [row([]), entry])
    with pytest.raises(PreferenceFileError) as caught:
        load_prm800k([path])
    (error,) = caught.value.errors
    assert (error.file, error.line, error.field) == (str(path), 2, field)
    assert PRIVATE not in str(caught.value)


def test_damaged_and_empty_files(tmp_path: Path) -> None:
    path = write(tmp_path, [row(ERROR, pre_generated=PRE)] * 40, name="phase2_test.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-25])
    with pytest.raises(PreferenceFileError, match="cut short"):
        load_prm800k([path])
    pointer = tmp_path / "phase1_test.jsonl"  # what a clone without Git LFS holds
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(PreferenceFileError, match="3 malformed lines"):
        load_prm800k([pointer])
    pointer.write_text("")
    assert load_prm800k([pointer]).examples == ()
    with pytest.raises(FileNotFoundError):
        load_prm800k([tmp_path / "none.jsonl"])
