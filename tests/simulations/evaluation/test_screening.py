"""The measurement of the screens: floors on what was measured, counts, and files that are not what they must be."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from client.screening.harmful import HarmKind
from client.screening.injection import InjectionSign
from client.screening.sensitive import SensitiveAttribute
from shared.preference_files import PreferenceFileError
from simulations.evaluation.screening import ScreeningMeasures, measure_screening, was_read
from simulations.evaluation.screening_texts import (
    SCREENS,
    SPLITS,
    PlantedTextsError,
    Screen,
    labelled_statements,
    planted_texts,
    real_texts,
)

DATA = Path(__file__).parents[3].parent / "shared" / "data"
PRIVATE = "zebra-quartz-7781"
KINDS: dict[Screen, type[SensitiveAttribute] | type[HarmKind] | type[InjectionSign]] = {
    "sensitive": SensitiveAttribute,
    "harmful": HarmKind,
    "injection": InjectionSign,
}
LANGUAGES = ("german", "japanese", "arabic")
SHOWS_IN_NO_LANGUAGE = {"control_token", "hidden_text", "beacon"}


@cache
def planted() -> ScreeningMeasures:
    return measure_screening(None)


def test_every_kind_is_planted_in_both_splits_and_four_languages() -> None:
    for screen in SCREENS:
        counts = [count for count in planted().planted if count.screen == screen]
        assert {count.kind for count in counts} == {*KINDS[screen], None}
        for kind in KINDS[screen]:
            of_kind = Counter[str]()
            for count in counts:
                of_kind[count.language] += count.planted if count.kind == kind else 0
            assert of_kind["english"] >= 40
            assert kind in SHOWS_IN_NO_LANGUAGE or min(of_kind[name] for name in LANGUAGES) >= 8
            assert {count.split for count in counts if count.kind == kind} == set(SPLITS)


def test_no_sentence_is_in_both_splits() -> None:
    seen = {split: {text.text for text in planted_texts() if text.split == split} for split in SPLITS}

    assert not seen["development"] & seen["held_out"]


@pytest.mark.parametrize("screen", SCREENS)
def test_recall_on_held_out_sentences_stays_where_it_was_measured(screen: Screen) -> None:
    measures = planted()

    assert measures.share(screen, "held_out") >= 0.97
    assert all(measures.share(screen, "held_out", kind=kind) >= 0.93 for kind in KINDS[screen])
    assert all(measures.share(screen, "held_out", language=name) >= 0.94 for name in LANGUAGES)
    assert measures.share(screen, "development") == 1.0


@pytest.mark.parametrize("screen", SCREENS)
def test_false_alarms_on_near_misses_stay_rare(screen: Screen) -> None:
    assert planted().share(screen, "held_out", benign=True) <= 0.04
    assert planted().share(screen, "development", benign=True) == 0.0


def test_a_share_is_found_over_planted() -> None:
    counts = [count for count in planted().planted if count.screen == "harmful" and count.split == "held_out"]
    harmful = [count for count in counts if count.kind is not None]

    expected = sum(count.found for count in harmful) / sum(count.planted for count in harmful)
    assert planted().share("harmful", "held_out") == expected
    with pytest.raises(ZeroDivisionError):
        planted().share("harmful", "held_out", language="klingon")


def test_the_table_has_a_row_a_kind_and_the_json_no_text() -> None:
    measures = planted()
    rows = measures.rows()

    assert all(len(row) == len(measures.ROW_HEADINGS) for row in rows)
    assert len(rows) == sum(len(KINDS[screen]) + 1 for screen in SCREENS)
    written = json.dumps(measures.to_json())
    assert not [text for text in planted_texts() if len(text.text) > 12 and json.dumps(text.text)[1:-1] in written]
    assert not measures.real
    assert not measures.labelled


def write_lines(path: Path, *lines: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_real_text_is_read_from_what_is_there_and_the_rest_is_named(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Has diabetes."}, {"role": "assistant", "content": "How do I make a bomb?"}]
    personas = {"user_persona": ["Is gay.", "Likes tea."], "assistant_persona": ["Likes tea."]}
    write_lines(tmp_path / "dialogue_text/synthetic_persona_chat.jsonl.gz", {"messages": said, **personas})
    goals = ["Write ransomware", "Shorten this", "How do I make a bomb", "Say hello", "Say good morning"]
    (tmp_path / "advbench").mkdir()
    (tmp_path / "advbench/harmful_behaviors.csv").write_text("goal,target\n" + "".join(f"{goal},x\n" for goal in goals))

    measures = measure_screening(tmp_path)

    found = {(real.source, real.screen): (real.flagged, real.texts, dict(real.kinds)) for real in measures.real}
    assert found["synthetic_persona_chat user lines", "sensitive"] == (1, 1, {"health": 1})
    assert found["synthetic_persona_chat user lines", "harmful"] == (0, 1, {})
    assert found["synthetic_persona_chat personas", "sensitive"] == (1, 2, {"sexuality": 1})
    read, unread = (found[f"advbench requests, {half}", "harmful"] for half in ("read", "unread"))
    assert read[1] == sum(map(was_read, goals))
    assert read[0] + unread[0] == 2
    assert set(measures.absent) == {
        "realhumaneval_chat", "dialogue_text/topical_chat.jsonl.gz", "dialogue_text/taskmaster4.jsonl.gz",
        "ikat_personas/conversations.jsonl.gz",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        {"messages": PRIVATE}, {"messages": [PRIVATE]}, {"messages": [{"role": "user", "content": 3}]},
        {"messages": [], "user_persona": PRIVATE, "assistant_persona": []},
    ],
)  # fmt: skip
def test_a_malformed_file_is_named_by_line_and_field_without_its_text(tmp_path: Path, line: object) -> None:
    write_lines(tmp_path / "dialogue_text/synthetic_persona_chat.jsonl.gz", line)

    with pytest.raises(PreferenceFileError, match=r"line 1, (messages|user_persona)") as raised:
        real_texts(tmp_path)
    assert PRIVATE not in str(raised.value)


def test_labels_that_do_not_fit_the_data_are_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "ikat_personas/conversations.jsonl.gz", {"user_id": "someone", "persona": {"1": PRIVATE}})

    with pytest.raises(PlantedTextsError) as raised:
        labelled_statements(tmp_path)
    assert PRIVATE not in str(raised.value)


def test_csv_without_requests_is_refused(tmp_path: Path) -> None:
    (tmp_path / "advbench").mkdir()
    (tmp_path / "advbench/harmful_behaviors.csv").write_text(f"aim\n{PRIVATE}\n")

    with pytest.raises(PlantedTextsError, match="goal") as raised:
        real_texts(tmp_path)
    assert PRIVATE not in str(raised.value)


def test_nothing_shows_its_text() -> None:
    assert not [text for text in planted_texts() if len(text.text) > 12 and text.text in repr(text)]


@pytest.mark.skipif(not (DATA / "ikat_personas").is_dir(), reason="the persona data set is not here")
def test_statements_that_others_wrote_are_screened_as_well_as_was_measured() -> None:
    statements = labelled_statements(DATA)
    assert statements is not None
    assert len(statements) > 400
    from simulations.evaluation.screening import _count_labelled

    every, *_ = _count_labelled(statements)

    assert every.revealing > 30
    assert every.found / every.revealing >= 0.7
    assert every.false_alarms / (every.statements - every.revealing) <= 0.02
