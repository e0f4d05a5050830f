"""PRISM's participants as users: files made in the exact schema, no reply lost, personas only on request."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.preference_files import PreferenceFileError
from simulations.population.prism import REASONS, load_prism, persona_of
from simulations.population.prism_records import (
    CONVERSATIONS_FILE,
    NO_TEXT,
    SURVEY_FILE,
    UTTERANCES_FILE,
    Participant,
    read_participants,
)

PRIVATE = "zebra-quartz-7781"
Row = dict[str, object]
Scored = tuple[str, float, bool]  # text, score, chosen
ATTRIBUTES = ("values", "fluency", "factuality", "safety", "diversity", "creativity", "helpfulness")


def participant(user: str = "user0", **changes: object) -> Row:
    ratings = {"values": 90, "creativity": 10, "fluency": 50, "factuality": 75, "diversity": 26, "safety": 74}
    return {
        "user_id": user,
        "survey_only": False,
        "num_completed_conversations": 6,
        "consent": "Yes, I consent to take part",
        "consent_age": "I certify that I am 18 years of age or over",
        "lm_familiarity": "Somewhat familiar",
        "lm_indirect_use": "Yes",
        "lm_direct_use": "Yes",
        "lm_frequency_use": math.nan,  # `json.dumps` writes NaN, as the dataset's authors' did
        "self_description": f"{PRIVATE} of {user}",
        "system_string": 'Be "NaN" brief.',
        "age": "25-34 years old",
        "gender": "Female",
        "employment_status": "Student",
        "education": "Vocational",
        "marital_status": "Never been married",
        "english_proficiency": "Fluent",
        "study_id": "abc",
        "study_locale": "uk",
        "religion": {"self_described": "none", "gpt4_categorised": "Non-religious"},
        "ethnicity": {"self_described": "white", "gpt4_categorised": "White"},
        "location": {"birth_country": "Norway"},
        "lm_usecases": {"research": 1, "other_text": None},
        "stated_prefs": {**ratings, "personalisation": None, "helpfulness": 100, "other": 90, "other_text": PRIVATE},
        "order_lm_usecases": {"research": 1},
        "order_stated_prefs": {"values": 1},
        "timing_duration_s": 300.0,
        "timing_duration_mins": 5.0,
        "generated_datetime": "2023-11-22 15:48:46",
        "included_in_US_REP": False,
        "included_in_UK_REP": True,
        "included_in_balanced_subset": True,
        **changes,
    }


def history(*turns: tuple[str, Sequence[Scored]]) -> list[Row]:
    entries: list[Row] = []
    for number, (said, replies) in enumerate(turns):
        entries.append({"turn": number, "role": "user", "content": said})
        entries += [
            {
                "turn": number,
                "role": "model",
                "content": text,
                "model_provider": "openai",
                "model_name": "gpt-4",
                "score": score,
                "if_chosen": chosen,
                "within_turn_id": place,
            }
            for place, (text, score, chosen) in enumerate(replies)
        ]
    return entries


FIRST = ("hello", [("good", 90, True), ("fair", 40, False), ("bad", 5, False), ("tie", 90, False)])
SECOND = ("and then?", [("yes", 70, True), ("no", 60, False)])


def conversation(
    name: str = "c0",
    user: str = "user0",
    turns: Sequence[tuple[str, Sequence[Scored]]] = (FIRST, SECOND),
    **changes: object,
) -> Row:
    return {
        "conversation_id": name,
        "user_id": user,
        "included_in_balanced_subset": True,
        "generated_datetime": "2023-11-22 16:00:00",
        "timing_duration_s": 600.5,
        "timing_duration_mins": 10.01,
        "conversation_type": "unguided",
        "opening_prompt": "hello",
        "conversation_turns": len(turns),
        "conversation_history": history(*turns),
        "performance_attributes": dict.fromkeys(ATTRIBUTES, 80) | {"safety": math.nan},
        "choice_attributes": dict.fromkeys(ATTRIBUTES, 80),
        "open_feedback": PRIVATE,
        **changes,
    }


def utterances(conversations: Sequence[Row]) -> list[Row]:
    """The long format, as the dataset's authors make it from the conversations."""
    rows: list[Row] = []
    for entry in conversations:
        said = ""
        turns = entry["conversation_history"]
        assert isinstance(turns, list)
        for item in turns:
            if item["role"] == "user":
                said = item["content"]
                continue
            rows.append(
                {
                    "utterance_id": f"ut{len(rows)}",
                    "interaction_id": f"int{item['turn']}",
                    **{key: entry[key] for key in ("conversation_id", "user_id", "included_in_balanced_subset")},
                    "conversation_type": entry["conversation_type"],
                    "user_prompt": said,
                    "model_response": item["content"],
                    **{key: item[key] for key in ("turn", "within_turn_id", "model_name", "model_provider", "score")},
                    "if_chosen": item["if_chosen"],
                }
            )
    return rows


def write(
    directory: Path, survey: Sequence[Row], conversations: Sequence[Row], long: Sequence[Row] | None = None
) -> Path:
    files = {SURVEY_FILE: survey, CONVERSATIONS_FILE: conversations}
    (directory / UTTERANCES_FILE).unlink(missing_ok=True)
    for name, rows in (files if long is None else {**files, UTTERANCES_FILE: long}).items():
        (directory / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def test_the_chosen_reply_beats_each_lower_one_after_the_conversation_as_it_went(tmp_path: Path) -> None:
    talks = [conversation(), conversation("c1", "user7")]
    survey = [participant(), participant("user7"), participant("user8", survey_only=True)]
    data = load_prism(write(tmp_path, survey, talks, utterances(talks)))
    population = data.population
    assert population.user_ids == ("user0", "user7")
    assert population.groups() == ("conversation c0", "conversation c1")
    pairs = population.pairs(0)
    assert [(pair.chosen[0].content, pair.rejected[0].content) for pair in pairs] == [
        ("good", "fair"),
        ("good", "bad"),
        ("yes", "no"),
    ]
    assert [len(pair.prompt) for pair in pairs] == [1, 1, 3]
    assert [message.content for message in pairs[2].prompt] == ["hello", "good", "and then?"]
    assert {(pair.persona, pair.origin) for pair in pairs} == {(None, "vote")}
    assert population.left_out["replies tied with the chosen reply"] == 2
    assert sum(population.left_out.values()) == 2
    assert dict(population.read) == {
        "participants": 3,
        "participants who only took the survey": 1,
        "conversations": 2,
        "replies": 12,
        "chosen replies of turns that went on": 4,
        "utterances that agree with the conversations": 12,
    }
    (mine, other) = data.conversations.users
    assert (mine.user_id, other.user_id) == ("user0", "user7")
    (logged,) = mine.conversations
    assert [message.content for message in logged.messages] == ["hello", "good", "and then?", "yes"]
    assert [message.role for message in logged.messages] == ["user", "assistant"] * 2
    assert logged.started == datetime(2023, 11, 22, 15, 49, 59, 500000, tzinfo=UTC)
    assert PRIVATE not in repr(data)


def test_the_lowest_alone_can_be_rejected(tmp_path: Path) -> None:
    equal = ("hi", [("a", 9, True), ("b", 3, False), ("c", 3, False), ("d", 4, False)])
    data = load_prism(write(tmp_path, [participant()], [conversation(turns=[FIRST, equal])]), rejected="lowest")
    assert [pair.rejected[0].content for pair in data.population.pairs(0)] == ["bad", "b"]
    assert data.population.left_out["replies not the lowest of its turn"] == 3


@pytest.mark.parametrize(
    ("turns", "pairs", "left_out"),
    [
        ([("u", [("a", 9, False), ("b", 8, False)]), SECOND], 0, {REASONS[1]: 2, REASONS[3]: 2}),
        ([("u", [("a", 9, True), ("b", 8, True)])], 0, {"of a turn without one chosen reply": 2}),
        ([("u", [("a", 9, True), ("a", 8, True), ("b", 1, False)])], 1, {}),
        ([("u", [("a", 9, True), ("a", 8, False)])], 0, {"the chosen text again": 1}),
        ([("u", [("a", 9, True), ("b", 10, False)])], 0, {"scored above the chosen reply": 1}),
        ([("u", [(NO_TEXT, 9, True), ("b", 1, False)])], 0, {"of a turn whose chosen reply has no text": 2}),
        ([("u", [("a", 9, True), (NO_TEXT, 1, False)])], 0, {"without any text": 1}),
        ([(NO_TEXT, [("a", 9, True), ("b", 1, False)])], 0, {"after a message without any text": 2}),
        ([FIRST, ("u", [])], 2, {"tied with the chosen reply": 1}),
    ],
)
def test_replies_without_a_preference_are_counted(
    tmp_path: Path, turns: list[tuple[str, list[Scored]]], pairs: int, left_out: dict[str, int]
) -> None:
    data = load_prism(write(tmp_path, [participant()], [conversation(turns=turns)]))
    found = data.population.left_out
    assert len(data.population.recorded_pairs()) == pairs
    assert {name: count for name, count in found.items() if count} == {
        f"replies {reason}": count for reason, count in left_out.items()
    }
    assert tuple(found) == tuple(f"replies {reason}" for reason in REASONS)


def test_a_conversation_of_which_nothing_is_known_is_counted(tmp_path: Path) -> None:
    talks = [
        conversation(turns=[("u", [("a", 9, False)])]),
        conversation("c1", turns=[FIRST, ("u", [("a", 9, False)])]),
    ]
    data = load_prism(write(tmp_path, [participant()], talks))
    assert [len(one.messages) for one in data.conversations.users[0].conversations] == [2]
    assert data.conversations.left_out == {"conversations of which no turn went on": 1}


scored = st.tuples(st.sampled_from(["a", "b", "c", NO_TEXT]), st.integers(1, 4), st.booleans())


@given(st.lists(st.tuples(st.sampled_from(["u", NO_TEXT]), st.lists(scored, max_size=4)), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_reply_is_chosen_paired_or_counted(tmp_path: Path, turns: list[tuple[str, list[Scored]]]) -> None:
    talks = [conversation(turns=turns)]
    data = load_prism(write(tmp_path, [participant()], talks, utterances(talks)))
    read, population = data.population.read, data.population
    pairs = population.recorded_pairs()
    assert read["replies"] == sum(len(replies) for _, replies in turns)
    assert read["replies"] == (
        read["chosen replies of turns that went on"] + len(pairs) + sum(population.left_out.values())
    )
    for entry in pairs:
        place = len(entry.pair.prompt) // 2
        scores = {text: [score for said, score, _ in turns[place][1] if said == text] for text in "abc"}
        assert max(scores[entry.pair.chosen[0].content]) > min(scores[entry.pair.rejected[0].content])
        assert [message.role for message in entry.pair.prompt] == ["user", "assistant"] * place + ["user"]


def test_personas_are_given_on_request_only(tmp_path: Path) -> None:
    directory = write(tmp_path, [participant()], [conversation()])
    told = {
        source: load_prism(directory, persona=source).population.pairs(0)[0].persona
        for source in ("none", "stated preferences", "system string", "self-description")
    }
    assert told["none"] is None
    assert told["self-description"] == f"{PRIVATE} of user0"
    assert told["system string"] == 'Be "NaN" brief.'
    assert told["stated preferences"] == (
        "Finds it important that a reply reflects their values and culture. "
        "Finds it important that a reply is factual and informative. "
        "Does not mind whether a reply is creative and inspiring. "
        "Finds it important that a reply is helpful and relevant."
    )
    silent = Participant(
        user_id="u", survey_only=False, self_description=" ", system_string="", stated_preferences={"values": 50}
    )
    for source in ("none", "stated preferences", "system string", "self-description"):
        assert persona_of(silent, source) is None


def test_missing_numbers_are_nan_and_words_stay(tmp_path: Path) -> None:
    directory = write(tmp_path, [participant(self_description='NaN and \\" NaN')], [])
    assert "NaN" in (directory / SURVEY_FILE).read_text().replace('"', "")
    (found,) = read_participants(directory).values()
    assert found.self_description == 'NaN and \\" NaN'
    assert "personalisation" not in found.stated_preferences
    assert PRIVATE not in repr(found)


def changed(name: str, **changes: object) -> Row:
    """A conversation with one reply changed."""
    entries = history(FIRST)
    entries[1] = {**entries[1], **changes}
    return conversation(name, turns=[FIRST], conversation_history=entries)


def without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}


ROGUE = {"turn": 0, "role": "system", "content": PRIVATE}
MALFORMED: dict[str, tuple[str, Row, str]] = {
    "survey, unknown key": (SURVEY_FILE, participant("u", extra=1), "extra"),
    "survey, missing key": (SURVEY_FILE, without(participant("u"), "religion"), "religion"),
    "survey, user twice": (SURVEY_FILE, participant(), "user_id"),
    "survey, flag": (SURVEY_FILE, participant("u", survey_only="no"), "survey_only"),
    "survey, text": (SURVEY_FILE, participant("u", self_description=None), "self_description"),
    "survey, preferences": (SURVEY_FILE, participant("u", stated_prefs=[PRIVATE]), "stated_prefs"),
    "survey, no rating": (SURVEY_FILE, participant("u", stated_prefs={"values": 1}), "stated_prefs.creativity"),
    "unknown key": (CONVERSATIONS_FILE, conversation("c1", extra=1), "extra"),
    "missing key": (CONVERSATIONS_FILE, without(conversation("c1"), "open_feedback"), "open_feedback"),
    "conversation twice": (CONVERSATIONS_FILE, conversation(), "conversation_id"),
    "nobody's": (CONVERSATIONS_FILE, conversation("c1", "user9"), "user_id"),
    "type": (CONVERSATIONS_FILE, conversation("c1", conversation_type=PRIVATE), "conversation_type"),
    "turns": (CONVERSATIONS_FILE, conversation("c1", conversation_turns=3), "conversation_turns"),
    "attributes": (CONVERSATIONS_FILE, conversation("c1", choice_attributes={PRIVATE: 1}), "choice_attributes"),
    "attribute": (
        CONVERSATIONS_FILE,
        conversation("c1", choice_attributes={"values": "1"}),
        "choice_attributes.values",
    ),
    "time": (CONVERSATIONS_FILE, conversation("c1", generated_datetime="noon"), "generated_datetime"),
    "duration": (CONVERSATIONS_FILE, conversation("c1", timing_duration_s=-1), "timing_duration_s"),
    "history": (CONVERSATIONS_FILE, conversation("c1", conversation_history=PRIVATE), "conversation_history"),
    "entry": (CONVERSATIONS_FILE, conversation("c1", conversation_history=[PRIVATE]), "conversation_history[0]"),
    "role": (CONVERSATIONS_FILE, conversation("c1", conversation_history=[ROGUE]), "conversation_history[0].role"),
    "starts with a reply": (
        CONVERSATIONS_FILE,
        conversation("c1", conversation_history=history(FIRST)[1:]),
        "conversation_history",
    ),
    "two user messages": (
        CONVERSATIONS_FILE,
        conversation("c1", conversation_history=history(FIRST)[:1] * 2),
        "conversation_history",
    ),
    "turn out of order": (
        CONVERSATIONS_FILE,
        conversation("c1", conversation_history=history(FIRST, SECOND)[5:]),
        "conversation_history",
    ),
    "score": (CONVERSATIONS_FILE, changed("c1", score=101), "conversation_history[1].score"),
    "no score": (CONVERSATIONS_FILE, changed("c1", score=None), "conversation_history[1].score"),
    "chosen": (CONVERSATIONS_FILE, changed("c1", if_chosen=1), "conversation_history[1].if_chosen"),
    "place": (CONVERSATIONS_FILE, changed("c1", within_turn_id=None), "conversation_history[1].within_turn_id"),
    "reply with more": (CONVERSATIONS_FILE, changed("c1", **{PRIVATE: 1}), "conversation_history[1]"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_line_is_named_by_file_line_and_field(tmp_path: Path, case: str) -> None:
    file, row, field = MALFORMED[case]
    survey, talks = [participant()], [conversation()]
    (survey if file == SURVEY_FILE else talks).append(row)
    write(tmp_path, survey, talks)
    with pytest.raises(PreferenceFileError) as caught:
        load_prism(tmp_path)
    (error,) = caught.value.errors
    assert (Path(error.file).name, error.line, error.field) == (file, 2, field)
    assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("conversation_id", "c9"),
        ("turn", 7),
        ("within_turn_id", 9),
        ("user_id", "user9"),
        ("user_prompt", PRIVATE),
        ("model_response", PRIVATE),
        ("score", 1),
        ("if_chosen", True),
    ],
)
def test_utterances_must_agree_with_the_conversations(tmp_path: Path, field: str, value: object) -> None:
    talks = [conversation()]
    long = utterances(talks)
    long[1] = {**long[1], field: value}
    write(tmp_path, [participant()], talks, long)
    with pytest.raises(PreferenceFileError) as caught:
        load_prism(tmp_path)
    (error,) = caught.value.errors
    assert (Path(error.file).name, error.line, error.field) == (UTTERANCES_FILE, 2, field)
    assert PRIVATE not in str(caught.value)


def test_missing_cut_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_prism(tmp_path)
    assert load_prism(write(tmp_path, [], [])).population.user_ids == ()
    write(tmp_path, [participant()], [conversation()])
    whole = (tmp_path / CONVERSATIONS_FILE).read_bytes()
    (tmp_path / CONVERSATIONS_FILE).write_bytes(gzip.compress(whole))
    assert len(load_prism(tmp_path).population.recorded_pairs()) == 3
    (tmp_path / CONVERSATIONS_FILE).write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(PreferenceFileError, match="cut short"):
        load_prism(tmp_path)
    (tmp_path / CONVERSATIONS_FILE).write_bytes(whole[:-40])
    with pytest.raises(PreferenceFileError, match="line 1, line: not complete JSON"):
        load_prism(tmp_path)
