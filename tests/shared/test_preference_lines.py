"""Preference lines: what is written is read back; what is malformed is refused by field and never quoted."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conversation import Message, PreferencePair
from shared.preference_lines import (
    KNOWN_KEYS,
    PreferenceLine,
    PreferenceLineError,
    format_preference_line,
    parse_preference_line,
)

PRIVATE = "zebra-quartz-7781"

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
names = texts.filter(lambda text: bool(text.strip()))


@st.composite
def completions(draw: st.DrawFn) -> tuple[Message, ...]:
    first = Message(role="assistant", content=draw(names))
    if draw(st.booleans()):
        return (first,)
    return (
        first,
        Message(role="user", content=draw(texts)),
        Message(role="assistant", content=draw(texts)),
    )


@st.composite
def lines(draw: st.DrawFn) -> PreferenceLine:
    prompt = [Message(role="system", content=draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        prompt += [Message(role="user", content=draw(texts)), Message(role="assistant", content=draw(texts))]
    prompt.append(Message(role="user", content=draw(texts)))
    chosen = draw(completions())
    rejected = draw(completions().filter(lambda other: other != chosen))
    pair = PreferencePair(
        prompt=tuple(prompt),
        chosen=chosen,
        rejected=rejected,
        persona=draw(st.none() | names),
        origin=draw(st.sampled_from(("rewrite", "reward", "vote"))),
    )
    extra = draw(st.dictionaries(st.sampled_from(("turn", "category")), st.integers() | texts))
    return PreferenceLine(pair=pair, user_id=draw(st.none() | names), question_id=draw(st.none() | names), extra=extra)


@given(lines())
def test_a_written_line_is_read_back_equal(value: PreferenceLine) -> None:
    text = format_preference_line(value)
    assert "\n" not in text
    read = parse_preference_line(
        text, file="f", line=1, extra_keys={"turn", "category"}, user_id_required=value.user_id is not None
    )
    assert read == value


def valid() -> dict[str, object]:
    return {
        "user_id": "u1",
        "prompt": [{"role": "user", "content": f"ask {PRIVATE}"}],
        "chosen": [{"role": "assistant", "content": f"good {PRIVATE}"}],
        "rejected": [{"role": "assistant", "content": f"bad {PRIVATE}"}],
    }


def refuse(text: str) -> PreferenceLineError:
    with pytest.raises(PreferenceLineError) as caught:
        parse_preference_line(text, file="pairs.jsonl", line=7)
    error = caught.value
    assert (error.file, error.line) == ("pairs.jsonl", 7)
    assert str(error).startswith(f"pairs.jsonl, line 7, {error.field}: ")
    report = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
    assert PRIVATE not in report
    assert PRIVATE not in repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def changed(**values: object) -> str:
    return json.dumps({**valid(), **values})


user, assistant = {"role": "user", "content": PRIVATE}, {"role": "assistant", "content": PRIVATE}

MALFORMED = {
    "unknown key": (changed(choosen=PRIVATE), "choosen"),
    "a key that is text is not echoed": (changed(**{f"my name is {PRIVATE}": 1}), "(a key that is not a plain name)"),
    "no user": (json.dumps({k: v for k, v in valid().items() if k != "user_id"}), "user_id"),
    "blank user": (changed(user_id="  "), "user_id"),
    "user of a wrong type": (changed(user_id=True), "user_id"),
    "no chosen": (json.dumps({k: v for k, v in valid().items() if k != "chosen"}), "chosen"),
    "empty prompt": (changed(prompt=[]), "prompt"),
    "prompt of a wrong type": (changed(prompt={"role": "user"}), "prompt"),
    "prompt ends with the assistant": (changed(prompt=[user, assistant]), "prompt"),
    "message of a wrong type": (changed(chosen=[PRIVATE]), "chosen[0]"),
    "unknown role": (changed(chosen=[{"role": PRIVATE, "content": "x"}]), "chosen[0].role"),
    "list for a role": (changed(chosen=[{"role": ["user"], "content": "x"}]), "chosen[0].role"),
    "no content": (changed(prompt=[assistant, {"role": "user"}]), "prompt[1].content"),
    "null content": (changed(rejected=[{"role": "assistant", "content": None}]), "rejected[0].content"),
    "key of a message": (changed(prompt=[{**user, "name": PRIVATE}]), "prompt[0].name"),
    "reply ends with the user": (changed(chosen=[assistant, user]), "chosen"),
    "reply holds a system message": (
        changed(rejected=[assistant, {"role": "system", "content": PRIVATE}, assistant]),
        "rejected",
    ),
    "reply without text": (changed(rejected=[{"role": "assistant", "content": " "}]), "rejected"),
    "same replies": (changed(chosen=[assistant], rejected=[assistant]), "chosen"),
    "mixed forms": (changed(prompt=PRIVATE), "prompt"),
    "mixed replies": (changed(prompt=PRIVATE, chosen=PRIVATE), "rejected.content"),
    "strings without a prompt": (json.dumps({"user_id": "u", "chosen": PRIVATE, "rejected": "n"}), "prompt"),
    "blank persona": (changed(persona=""), "persona"),
    "persona of a wrong type": (changed(persona=[PRIVATE]), "persona"),
    "unknown origin": (changed(origin=PRIVATE), "origin"),
    "origin of a wrong type": (changed(origin=[PRIVATE]), "origin"),
    "question of a wrong type": (changed(question_id=1.5), "question_id"),
    "half a surrogate pair": (changed(prompt=[{"role": "user", "content": "\ud800"}]), "prompt[0].content"),
    "duplicated key": (changed()[:-1] + f', "user_id": "{PRIVATE}"}}', "user_id"),
    "duplicated key of a message": (changed().replace('"role"', '"content": "", "role"', 1), "content"),
    "NaN": (changed()[:-1] + ', "question_id": NaN}', "line"),
    "infinity": (changed()[:-1] + ', "question_id": -Infinity}', "line"),
    "a number too long": (changed()[:-1] + ', "question_id": ' + "9" * 5000 + "}", "line"),
    "nested too deep": ("[" * 100_000, "line"),
    "not an object": (json.dumps([PRIVATE]), "line"),
    "cut short": (changed()[:-20], "line"),
    "two objects": (changed() + changed(), "line"),
    "not JSON": (PRIVATE, "line"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_line_is_refused_by_field_without_its_text(case: str) -> None:
    text, field = MALFORMED[case]
    assert refuse(text).field == field


def test_a_line_cut_short_says_so() -> None:
    assert "cut short" in refuse(changed()[:-20]).reason
    assert "cut short" not in refuse(changed() + changed()).reason


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with pytest.raises(PreferenceLineError):
        parse_preference_line(text, file="f", line=1)


@given(
    st.sampled_from(sorted(KNOWN_KEYS)),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
)
def test_any_value_under_a_known_key_is_parsed_or_refused(key: str, value: object) -> None:
    try:
        read = parse_preference_line(json.dumps({**valid(), key: value}), file="f", line=1)
    except PreferenceLineError:
        return
    assert read.pair.chosen != read.pair.rejected


def test_the_implicit_prompt_is_the_shared_start_up_to_the_last_user_message() -> None:
    explicit = parse_preference_line(changed(), file="f", line=1)
    record = valid()
    prompt = record.pop("prompt")
    for side in ("chosen", "rejected"):
        record[side] = prompt + record[side]  # type: ignore[operator]
    assert parse_preference_line(json.dumps(record), file="f", line=1) == explicit


def test_replies_that_share_their_first_turns_keep_them() -> None:
    first = {"role": "assistant", "content": "same"}
    record = valid()
    prompt = record.pop("prompt")
    for side in ("chosen", "rejected"):
        record[side] = [*prompt, first, *record[side]]  # type: ignore[misc]
    read = parse_preference_line(json.dumps(record), file="f", line=1)
    assert [message.role for message in read.pair.prompt] == ["user"]
    assert [message.role for message in read.pair.chosen] == ["assistant", "assistant"]
    record = valid()
    del record["prompt"]
    assert refuse(json.dumps(record)).field == "prompt"


def test_plain_strings_are_one_message_each() -> None:
    text = json.dumps({"user_id": 3, "prompt": "a", "chosen": "b", "rejected": "c", "question_id": 81})
    read = parse_preference_line(text, file="f", line=1)
    assert (read.user_id, read.question_id) == ("3", "81")
    assert [m.content for m in (*read.pair.prompt, *read.pair.chosen, *read.pair.rejected)] == ["a", "b", "c"]
    assert read.pair.origin == "vote"


def test_a_device_may_leave_the_user_out() -> None:
    record = valid()
    del record["user_id"]
    read = parse_preference_line(json.dumps(record), file="f", line=1, user_id_required=False, default_origin="rewrite")
    assert read.user_id is None
    assert read.pair.origin == "rewrite"


def test_extra_keys_must_be_named_and_plain() -> None:
    assert refuse(changed(turn=2)).field == "turn"
    read = parse_preference_line(changed(turn=2), file="f", line=1, extra_keys={"turn"})
    assert read.extra == {"turn": 2}
    with pytest.raises(PreferenceLineError, match="turn"):
        parse_preference_line(changed(turn=[PRIVATE]), file="f", line=1, extra_keys={"turn"})


def test_reprs_and_pickled_errors_hold_no_text() -> None:
    read = parse_preference_line(changed(persona=PRIVATE), file="f", line=1)
    assert PRIVATE not in repr(read)
    error = refuse(changed(persona=[PRIVATE]))
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copied), copied.field, copied.line) == (str(error), error.field, error.line)


def test_what_cannot_be_written_is_refused_without_its_text() -> None:
    pair = PreferencePair(
        prompt=(Message(role="user", content=f"{PRIVATE}\ud800"),),
        chosen=(Message(role="assistant", content="a"),),
        rejected=(Message(role="assistant", content="b"),),
    )
    with pytest.raises(ValueError, match="surrogate") as caught:
        format_preference_line(PreferenceLine(pair=pair))
    assert PRIVATE not in str(caught.value)
    read = parse_preference_line(changed(), file="f", line=1)
    with pytest.raises(ValueError, match="own keys"):
        format_preference_line(PreferenceLine(pair=read.pair, extra={"persona": "x"}))
