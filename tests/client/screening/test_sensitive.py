"""Sensitive attributes: the contract, what is promised in the module, disguises, and time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from client.screening.sensitive import SensitiveAttribute, sensitive_attributes
from tests.client.screening.texts import ANY_TEXT, slowest_pieces

HEALTH, RELIGION, POLITICS = SensitiveAttribute.HEALTH, SensitiveAttribute.RELIGION, SensitiveAttribute.POLITICS
SEXUALITY, ETHNICITY, CONTACT = SensitiveAttribute.SEXUALITY, SensitiveAttribute.ETHNICITY, SensitiveAttribute.CONTACT


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT)
def test_any_text_is_taken(text: str) -> None:
    assert sensitive_attributes(text) <= frozenset(SensitiveAttribute)
    assert HEALTH in sensitive_attributes(f"{text}\n. Has diabetes.")


@pytest.mark.parametrize("text", ["", " \n", "Likes lists.", "?" * 1000, "\ud800"])
def test_what_says_nothing_reveals_nothing(text: str) -> None:
    assert sensitive_attributes(text) == frozenset()


@pytest.mark.parametrize(
    ("text", "revealed"),
    [
        ("Is a nurse.", frozenset()),
        ("Works as an oncologist.", frozenset()),
        ("Is a diabetes researcher.", frozenset()),
        ("Is a diabetes researcher who has diabetes.", {HEALTH}),
        ("Works as a priest.", {RELIGION}),
        ("Lives in Berlin and prefers answers in German.", frozenset()),
        ("Is a German teacher.", frozenset()),
        ("Is German.", {ETHNICITY}),
        ("Is not religious.", {RELIGION}),
        ("Her mother has dementia.", {HEALTH}),
        ("Is in the teachers' union.", {POLITICS}),
        ("Celebrates Christmas with the children.", frozenset()),
        ("Is married.", frozenset()),
        ("Is gay, is Jewish and votes Democrat.", {SEXUALITY, RELIGION, ETHNICITY, POLITICS}),
    ],
)
def test_what_the_module_promises_holds(text: str, revealed: set[SensitiveAttribute]) -> None:
    assert sensitive_attributes(text) == revealed


@pytest.mark.parametrize(
    "text",
    [
        "ann.b@example.com", "ANN@EXAMPLE.CO.UK", "ann [at] example [dot] com", "ann at example dot org",
        "ann＠example．com",
        "+1 (212) 555-0187", "212-555-0187", "212.555.0187", "0044 161 496 0001", "07700 900456", "030/23125-987",
        "01 99 00 12 34",
        "090-0000-1234", "٠٥٠١٢٣٤٥٦٧", "+966 50 123 4567", "call 555-0142", "GB29 NWBK 6016 1331 9268 19",
        "5500 0000 0000 0004",
        "219-09-9999", "passport X1234567", "198.51.100.7", "https://example.com/x", "www.example.com", "t.me/ann",
        "@ann_b77",
        "45 Elm Avenue", "Hauptstraße 5", "10 rue de la Paix", "calle Mayor 5", "〒100-0001", "芝公園4丁目", "NW1 6XE",
        "Discord: ann#1234", "insta: ann.b.77", "username: annb", "52.5200, 13.4050", "my e-mail is the usual one",
    ],
)  # fmt: skip
def test_contact_data_of_many_forms_is_found(text: str) -> None:
    assert CONTACT in sensitive_attributes(f"The user says: {text} .")


@pytest.mark.parametrize(
    "text",
    [
        "Wants at most 1,000,000 rows.", "Prefers 500-1000 words.", "Uses Python 3.11.4 and NumPy 2.0.",
        "Wants dates as 2024-05-01.",
        "Worked there 2019-2024.", "Likes 3.14159265 digits.", "Uses Node.js, ASP.NET and socket.io.",
        "Has 100000000 rows.",
        "Likes @dataclass and @property.", "Needs 8 GB at 3200 MHz.", "Wants 1 2 3 4 5 6 7 8 9 lists.",
        "Prefers ISO 8601 and UTF-8.",
        "Is at home in SQL. Knows it well.", "Sends a great chat. It is fine.", "Wants the score 10.0.19045 explained.",
    ],
)  # fmt: skip
def test_ordinary_numbers_and_names_are_no_contact_data(text: str) -> None:
    assert sensitive_attributes(text) == frozenset()


@pytest.mark.parametrize(
    "text", ["Is ｇａｙ.", "Is g a y.", "Is gаy.", "Is g\u200bay.", "IS G.A.Y", "Is 𝕘𝕒𝕪.", "Is g̶a̶y̶."]
)
def test_disguises_are_seen_through(text: str) -> None:
    assert SEXUALITY in sensitive_attributes(text)


def test_time_is_linear_and_short_whatever_the_text() -> None:
    slow = slowest_pieces(sensitive_attributes, characters=20_000)

    assert max(slow.values()) < 1.0, max(slow.items(), key=lambda item: item[1])


def test_a_megabyte_takes_seconds() -> None:
    text = "Likes lists and works with the team on reports about trains. " * 17_000

    slow = slowest_pieces(lambda piece: sensitive_attributes(text) if piece == text[:50] else None, characters=50)

    assert len(text) > 1_000_000
    assert sensitive_attributes(text) == frozenset()
    assert max(slow.values()) < 10
