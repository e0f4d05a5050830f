"""WildChat's rows become users: exact schema, time order, every row kept or counted, nothing private in an error."""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.preference_files import PreferenceFileError
from simulations.population.parquet_rows import ParquetUnavailableError
from simulations.population.wildchat import (
    COLUMNS,
    REASONS,
    WildChatFilter,
    load_wildchat,
    user_digest,
)

PRIVATE = "zebra-quartz-7781"
SALT = b"sixteen bytes at least"
Row = dict[str, object]
HEADER = {"accept-language": "en-US,en;q=0.9", "user-agent": "Mozilla/5.0"}
needs_pyarrow = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")


def turn(role: str, text: str, identifier: int, /, **changes: object) -> Row:
    mine = role == "user"
    return {
        "content": text,
        "country": "Norway" if mine else None,
        "hashed_ip": "a1" * 16 if mine else None,
        "header": HEADER if mine else None,
        "language": "English",
        "redacted": False,
        "role": role,
        "state": "Oslo" if mine else None,
        "timestamp": None if mine else f"2023-04-09T00:02:{identifier % 60:02d}+00:00",
        "toxic": False,
        "turn_identifier": identifier,
        **changes,
    }


def row(*texts: str, first: int = 1, **changes: object) -> Row:
    """A row whose texts are said in turn; `first` numbers its turns."""
    said = texts or (f"{PRIVATE} {first}", "reply")
    conversation = [turn("assistant" if i % 2 else "user", text, first + i // 2) for i, text in enumerate(said)]
    return {
        "conversation_hash": f"hash{first}",
        "model": "gpt-4-0314",
        "timestamp": "2023-04-09T00:05:00+00:00",
        "conversation": conversation,
        "turn": len(said) // 2,
        "language": "English",
        "openai_moderation": [{"categories": {"hate": False}, "category_scores": {"hate": 0.1}, "flagged": False}],
        "detoxify_moderation": [{"toxicity": 0.01}],
        "toxic": False,
        "redacted": False,
        "state": "Oslo",
        "country": "Norway",
        "hashed_ip": "a1" * 16,
        "header": HEADER,
        **changes,
    }


def write(directory: Path, rows: Sequence[Row], name: str = "train.jsonl.gz") -> Path:
    content = "".join(json.dumps(entry) + "\n" for entry in rows).encode()
    path = directory / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def test_the_fixture_has_exactly_the_columns() -> None:
    assert row().keys() == COLUMNS


def test_users_have_their_conversations_in_time_order(tmp_path: Path) -> None:
    other = {**HEADER, "user-agent": "another browser"}
    rows = [row(first=30), row("b", "c", "d", "e", first=10), row(first=20, header=other), row(first=5)]
    log = load_wildchat([write(tmp_path, rows)], salt=SALT)
    assert [len(user.conversations) for user in log.users] == [3, 1]
    starts = [conversation.started for conversation in log.users[0].conversations]
    assert starts == sorted(starts, key=str)
    assert starts[0] == datetime(2023, 4, 9, 0, 2, 5, tzinfo=UTC)
    middle = log.users[0].conversations[1]
    assert [(message.role, message.content) for message in middle.messages] == [
        ("user", "b"),
        ("assistant", "c"),
        ("user", "d"),
        ("assistant", "e"),
    ]
    assert middle.conversation_id == "hash10-10-11"
    assert dict(log.read) == {"rows": 4, "users": 2, "users with too few conversations": 0}
    assert sum(log.left_out.values()) == 0
    assert PRIVATE not in repr(log) + repr(log.users[0])


def test_the_address_alone_can_be_the_key(tmp_path: Path) -> None:
    rows = [row(first=1), row(first=2, header={**HEADER, "user-agent": "x"}), row(first=3, header=None)]
    path = write(tmp_path, rows)
    assert len(load_wildchat([path], salt=SALT).users) == 3
    assert len(load_wildchat([path], salt=SALT, keyed_by="address").users) == 1


def test_user_ids_need_the_salt_and_tell_the_parts_apart() -> None:
    mine = user_digest(SALT, hashed_ip="ab", headers=("c", ""))
    assert mine == user_digest(SALT, hashed_ip="ab", headers=("c", ""))
    assert len(mine) == 32
    others = [
        user_digest(SALT + b"!", hashed_ip="ab", headers=("c", "")),
        user_digest(SALT, hashed_ip="a", headers=("bc", "")),
        user_digest(SALT, hashed_ip="ab", headers=("", "c")),
        user_digest(SALT, hashed_ip="ab", headers=()),
    ]
    assert len({mine, *others}) == 5


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (row(toxic=True), "toxic"),
        (row(conversation=[turn("user", "a", 1, toxic=True), turn("assistant", "b", 1)]), "toxic"),
        (row(redacted=True), "redacted"),
        (row(conversation=[turn("user", "a", 1), turn("assistant", "b", 1, redacted=True)]), "redacted"),
        (row(language="Latin"), "in another language"),
        (row(conversation=[turn("user", "a", 1)]), "roles that are not user and assistant in turn"),
        (
            row(conversation=[turn("assistant", "a", 1), turn("user", "b", 1)]),
            "roles that are not user and assistant in turn",
        ),
        (
            row(conversation=[turn("user", "a", 1), turn("tool", "b", 1)]),
            "roles that are not user and assistant in turn",
        ),
        (row(" ", "b"), "a message without any text"),
        (row("a", ""), "a message without any text"),
        (row(hashed_ip=None), "no hashed address"),
        (row(first=100), "the same turns of the same user again"),
    ],
)
def test_what_is_filtered_is_counted_once(tmp_path: Path, entry: Row, reason: str) -> None:
    path = write(tmp_path, [row(first=100), entry])
    log = load_wildchat([path], salt=SALT, keep=WildChatFilter(language="English"))
    assert log.conversation_count() == 1
    assert {name: count for name, count in log.left_out.items() if count} == {reason: 1}
    assert tuple(log.left_out) == REASONS


def test_filters_can_be_lifted(tmp_path: Path) -> None:
    path = write(tmp_path, [row(first=1, toxic=True), row(first=2, redacted=True), row(first=3, language="Latin")])
    keep = WildChatFilter(keep_toxic=True, keep_redacted=True)
    assert load_wildchat([path], salt=SALT, keep=keep).conversation_count() == 3


def test_users_with_too_few_conversations_are_dropped_after_the_filters(tmp_path: Path) -> None:
    rows = [row(first=1), row(first=2), row(first=3, toxic=True), row(first=4, hashed_ip="b"), row(first=5)]
    path = write(tmp_path, rows)
    log = load_wildchat([path], salt=SALT, keep=WildChatFilter(minimum_conversations=3))
    assert [len(user.conversations) for user in log.users] == [3]
    assert log.left_out["of a user with too few conversations"] == 1
    assert log.read["users with too few conversations"] == 1
    assert load_wildchat([path], salt=SALT, keep=WildChatFilter(minimum_conversations=4)).users == ()
    with pytest.raises(ValueError, match="at least 1"):
        WildChatFilter(minimum_conversations=0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.booleans(),
            st.booleans(),
            st.sampled_from(["English", "Latin"]),
            st.integers(1, 6),
            st.lists(st.sampled_from(["user", "assistant", "tool"]), min_size=1, max_size=4),
        ),
        max_size=12,
    ),
    st.integers(1, 3),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_row_is_kept_or_counted(
    tmp_path: Path, entries: list[tuple[str | None, bool, bool, str, int, list[str]]], minimum: int
) -> None:
    rows = [
        row(
            first=first,
            hashed_ip=address,
            toxic=toxic,
            redacted=redacted,
            language=language,
            conversation=[turn(role, "said", first + place) for place, role in enumerate(roles)],
        )
        for address, toxic, redacted, language, first, roles in entries
    ]
    path = write(tmp_path, rows)
    log = load_wildchat([path], salt=SALT, keep=WildChatFilter(language="English", minimum_conversations=minimum))
    assert log.conversation_count() + sum(log.left_out.values()) == log.read["rows"] == len(rows)
    assert all(len(user.conversations) >= minimum for user in log.users)


MALFORMED: dict[str, tuple[Row, str]] = {
    "unknown column": (row(extra=1), "extra"),
    "missing column": ({key: value for key, value in row().items() if key != "state"}, "state"),
    "hash": (row(conversation_hash=3), "conversation_hash"),
    "time": (row(timestamp="yesterday"), "timestamp"),
    "time of a wrong type": (row(timestamp=True), "timestamp"),
    "time beyond all calendars": (row(timestamp=10**18), "timestamp"),
    "toxic": (row(toxic=None), "toxic"),
    "header": (row(header={"user-agent": PRIVATE}), "header.accept-language"),
    "header with more": (row(header={**HEADER, PRIVATE: "x"}), "header"),
    "address": (row(hashed_ip=7), "hashed_ip"),
    "moderation": (row(openai_moderation=PRIVATE), "openai_moderation"),
    "no conversation": (row(conversation=[]), "conversation"),
    "conversation": (row(conversation={"role": PRIVATE}), "conversation"),
    "turn": (row(conversation=[PRIVATE]), "conversation[0]"),
    "turn without a key": (row(conversation=[{"role": "user", "content": PRIVATE}]), "conversation[0].country"),
    "turn with a key too many": (row(conversation=[turn("user", "a", 1, **{PRIVATE: 1})]), "conversation[0]"),
    "content": (row(conversation=[turn("user", "a", 1, content=None)]), "conversation[0].content"),
    "half a character": (row(conversation=[turn("user", "\ud800", 1)]), "conversation[0].content"),
    "role": (row(conversation=[turn("user", "a", 1, role=None)]), "conversation[0].role"),
    "identifier": (row(conversation=[turn("user", "a", 1, turn_identifier="1")]), "conversation[0].turn_identifier"),
    "toxic and malformed": (row(toxic=True, turn="1"), "turn"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_row_is_named_by_line_and_field(tmp_path: Path, case: str) -> None:
    entry, field = MALFORMED[case]
    path = write(tmp_path, [row(), entry], name="train.jsonl")
    with pytest.raises(PreferenceFileError) as caught:
        load_wildchat([path], salt=SALT)
    (error,) = caught.value.errors
    assert (error.file, error.line, error.field) == (str(path), 2, field)
    assert PRIVATE not in str(caught.value)


def test_a_damaged_or_empty_file(tmp_path: Path) -> None:
    path = write(tmp_path, [row(first=i) for i in range(50)])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PreferenceFileError, match="cut short"):
        load_wildchat([path], salt=SALT)
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert load_wildchat([empty], salt=SALT).users == ()
    (tmp_path / "cut.jsonl").write_text(json.dumps(row())[:200])
    with pytest.raises(PreferenceFileError, match="line 1"):
        load_wildchat([tmp_path / "cut.jsonl"], salt=SALT)
    with pytest.raises(FileNotFoundError):
        load_wildchat([tmp_path / "none.jsonl"], salt=SALT)


def test_times_are_read_as_datasets_export_them(tmp_path: Path) -> None:
    spoken = datetime(2023, 4, 9, 0, 2, 53, tzinfo=UTC)
    forms: list[object] = [
        "2023-04-09T00:02:53Z",
        "2023-04-09 00:02:53",
        "2023-04-09T02:02:53+02:00",
        int(spoken.timestamp() * 1000),
    ]
    rows = [
        row(conversation=[turn("user", "a", 1), turn("assistant", "b", 1, timestamp=form)], hashed_ip=str(i))
        for i, form in enumerate(forms)
    ]
    log = load_wildchat([write(tmp_path, rows)], salt=SALT)
    assert [user.conversations[0].started for user in log.users] == [spoken] * 4
    untimed = [turn("user", "a", 1), turn("assistant", "b", 1, timestamp=None)]
    log = load_wildchat([write(tmp_path, [row(conversation=untimed)])], salt=SALT)
    assert log.users[0].conversations[0].started == spoken + timedelta(minutes=2, seconds=7)


def test_directories_and_wrong_files(tmp_path: Path) -> None:
    write(tmp_path, [row(first=1)], name="b.jsonl")
    write(tmp_path, [row(first=2)], name="a.jsonl.gz")
    (tmp_path / "README.md").write_text("not data")
    log = load_wildchat([tmp_path], salt=SALT)
    assert [conversation.conversation_id for conversation in log.users[0].conversations] == ["hash1-1-1", "hash2-2-2"]
    with pytest.raises(ValueError, match=r"must end in one of \.jsonl"):
        load_wildchat([tmp_path / "README.md"], salt=SALT)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no file"):
        load_wildchat([tmp_path / "empty"], salt=SALT)
    with pytest.raises(ValueError, match="16 bytes"):
        load_wildchat([tmp_path], salt=b"short")


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    time = pa.timestamp("us", tz="UTC")
    header = pa.struct([("accept-language", pa.string()), ("user-agent", pa.string())])
    kinds = dict.fromkeys(turn("user", "a", 1), pa.string())
    kinds |= {"header": header, "redacted": pa.bool_(), "toxic": pa.bool_(), "timestamp": time}
    said = pa.struct(list({**kinds, "turn_identifier": pa.int64()}.items()))
    types = {
        "timestamp": time,
        "conversation": pa.list_(said),
        "turn": pa.int64(),
        "openai_moderation": pa.list_(pa.struct([("flagged", pa.bool_())])),
        "detoxify_moderation": pa.list_(pa.struct([("toxicity", pa.float64())])),
        "toxic": pa.bool_(),
        "redacted": pa.bool_(),
        "header": header,
    }

    def with_times(entry: Row) -> Row:
        turns = entry["conversation"]
        assert isinstance(turns, list)
        timed = [
            {**one, "timestamp": None if one["timestamp"] is None else datetime.fromisoformat(one["timestamp"])}
            for one in turns
        ]
        return {**entry, "timestamp": datetime.fromisoformat(str(entry["timestamp"])), "conversation": timed}

    names = list(rows[0])
    schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
    pq.write_table(pa.Table.from_pylist([with_times(entry) for entry in rows], schema=schema), path)
    return path


@needs_pyarrow
def test_parquet_gives_what_json_lines_give(tmp_path: Path) -> None:
    rows = [row(first=i, hashed_ip="abc"[i % 3], toxic=i == 4) for i in range(9)]
    from_parquet = load_wildchat([write_parquet(tmp_path / "train-00000-of-00001.parquet", rows)], salt=SALT)
    from_lines = load_wildchat([write(tmp_path, rows)], salt=SALT)
    assert from_parquet == from_lines
    assert len(from_parquet.users) == 3


@needs_pyarrow
def test_bad_parquet_is_named_by_row_and_field(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    broken = row(conversation=[turn("user", PRIVATE, 1, role=None)])
    write_parquet(path, [row(first=1), broken])
    with pytest.raises(PreferenceFileError) as caught:
        load_wildchat([path], salt=SALT)
    assert [(error.line, error.field) for error in caught.value.errors] == [(2, "conversation[0].role")]
    assert PRIVATE not in str(caught.value)
    write_parquet(path, [{**row(), PRIVATE: "x"}])
    with pytest.raises(PreferenceFileError, match="has a column that is none of") as caught:
        load_wildchat([path], salt=SALT)
    assert PRIVATE not in str(caught.value)
    write_parquet(path, [{key: value for key, value in row().items() if key != "header"}])
    with pytest.raises(PreferenceFileError, match="has no column header"):
        load_wildchat([path], salt=SALT)
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(PreferenceFileError, match="not a Parquet file"):
        load_wildchat([path], salt=SALT)
    with pytest.raises(FileNotFoundError):
        load_wildchat([tmp_path / "none.parquet"], salt=SALT)


def test_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(b"PAR1")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyarrow" else found(name))
    with pytest.raises(ParquetUnavailableError, match="pip install pyarrow"):
        load_wildchat([path], salt=SALT)
