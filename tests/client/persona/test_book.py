"""The persona as a file: growth, the user's hand in it, and what must not be lost or read by others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client.persona.book import PersonaBook, PersonaBookError, load_book, save_book
from shared.conversation import Conversation, Message
from tests.tiny import message
from tests.writers import Writer, last_said


def on_day(day: int, said: str) -> Conversation:
    return Conversation(
        conversation_id=str(day),
        started=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day),
        messages=(message("user", said),),
    )


def states(turns: Sequence[Message], _: int) -> str:
    said = last_said(turns)
    for word, statement in (
        ("short", "Likes short answers."),
        ("long", "Likes long answers."),
        ("list", "Wants lists."),
    ):
        if word in said:
            return statement
    return "Nothing is known yet."


@pytest.fixture
def model() -> Writer:
    return Writer(states)


def texts(book: PersonaBook) -> list[str]:
    return [one.text for one in book.persona().statements]


def test_only_new_and_changed_conversations_are_read(model: Writer) -> None:
    book = PersonaBook().update([on_day(1, "short"), on_day(2, "list")], model)
    assert len(model.prompts) == 2
    book = book.update([on_day(1, "short"), on_day(2, "list"), on_day(3, "list")], model)
    assert len(model.prompts) == 3
    book = book.update([on_day(1, "long"), on_day(3, "list")], model)
    assert len(model.prompts) == 4
    assert texts(book) == ["Likes long answers.", "Wants lists."] or texts(book) == [
        "Wants lists.",
        "Likes long answers.",
    ]


def test_another_model_reads_everything_anew(model: Writer) -> None:
    book = PersonaBook().update([on_day(1, "short")], model)
    other = Writer(states)
    other.name = "another"
    assert book.update([on_day(1, "short")], other).reader != book.reader
    assert len(other.prompts) == 1


def test_a_persona_before_a_moment_has_not_seen_what_came_after(model: Writer) -> None:
    book = PersonaBook().update([on_day(1, "short"), on_day(5, "long"), on_day(6, "long")], model)
    until = datetime(2026, 1, 4, tzinfo=UTC)
    assert [one.text for one in book.persona(before=until).statements] == ["Likes short answers."]
    assert texts(book) == ["Likes long answers."]


def test_what_the_user_writes_stands_above_and_what_is_struck_stays_away(model: Writer) -> None:
    book = PersonaBook().update([on_day(1, "short"), on_day(2, "list")], model)
    written = book.write("Wants every  detail.")
    assert texts(written)[0] == "Wants every detail."
    assert "Likes short answers." not in texts(written)
    number = 1 + texts(written).index("Wants lists.")
    struck = written.strike(number)
    assert "Wants lists." not in texts(struck)
    again = struck.update([on_day(1, "short"), on_day(2, "list"), on_day(3, "a list again")], model)
    assert texts(again) == ["Wants every detail."]


def test_what_is_struck_stays_away_in_other_case_and_punctuation() -> None:
    said = iter(["Prefers metric units.", "prefers metric units"])
    model = Writer(lambda _turns, _sample: next(said))
    book = PersonaBook().update([on_day(1, "x")], model).strike(1)
    assert texts(book.update([on_day(1, "x"), on_day(2, "y")], model)) == []


def test_what_was_locked_or_struck_is_let_go(model: Writer) -> None:
    book = PersonaBook().write("Prefers metric units.").write("Is left-handed.")
    number = [one.text for one in book.persona().statements].index("Is left-handed.") + 1
    assert [one.text for one in book.unlock(number).persona().statements] == ["Prefers metric units."]
    struck = book.strike(number)
    assert struck.struck == ("Is left-handed.",)
    assert struck.unstrike("Is left-handed.").struck == ()
    with pytest.raises(PersonaBookError, match="not struck out"):
        struck.unstrike("Is right-handed.")


def test_what_is_kept_while_reading_is_gone_on_with(model: Writer) -> None:
    history = [on_day(number, "short") for number in range(70)]
    kept: list[PersonaBook] = []
    whole = PersonaBook().update(history, model, keep=kept.append)
    assert [len(one.read) for one in kept] == [64]
    asked = len(model.prompts)
    assert kept[0].update(history, model) == whole
    assert len(model.prompts) - asked == 6


def test_a_locked_statement_outlives_new_tastes(model: Writer) -> None:
    book = PersonaBook().update([on_day(1, "short")], model).lock(1)
    later = book.update([on_day(1, "short"), *(on_day(day, "long") for day in range(300, 305))], model)
    assert texts(later) == ["Likes short answers."]


@pytest.mark.parametrize("number", [0, 2, -1])
def test_there_is_no_such_statement(model: Writer, number: int) -> None:
    book = PersonaBook().update([on_day(1, "short")], model)
    with pytest.raises(PersonaBookError, match="there is no statement"):
        book.strike(number)


def test_a_book_is_the_same_after_a_file_and_only_its_owner_reads_it(model: Writer, tmp_path: Path) -> None:
    book = PersonaBook().update([on_day(1, "short"), on_day(2, "list")], model).write("Mag 日本語 و العربية.").strike(2)
    path = tmp_path / "persona.json"
    save_book(book, path)
    assert load_book(path) == book
    assert path.stat().st_mode & 0o077 == 0
    assert [item.name for item in tmp_path.iterdir()] == ["persona.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 1}',
        b'{"format": 9}',
        b"\xff\xfe",
        b'{"format":1,"reader":"secret","read":3,"written":[],"struck":[]}',
    ],
)
def test_a_damaged_book_is_refused_untouched_and_unquoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "persona.json"
    path.write_bytes(content)
    with pytest.raises(PersonaBookError) as raised:
        load_book(path)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert path.read_bytes() == content


def test_two_conversations_with_one_id_are_refused(model: Writer) -> None:
    with pytest.raises(PersonaBookError, match="one id"):
        PersonaBook().update([on_day(1, "short"), on_day(1, "list")], model)
