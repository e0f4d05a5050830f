"""Folding: tricks of spelling are undone, ordinary text is not harmed, and no text makes it fail."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screening.folding import fold, fold_plain, fold_words

ANY_TEXT = st.text(st.characters(), max_size=200)  # halves of surrogate pairs among them


@pytest.mark.parametrize(
    "disguised",
    [
        "DIABETES", "Ｄｉａｂｅｔｅｓ", "𝐝𝐢𝐚𝐛𝐞𝐭𝐞𝐬", "ⓓⓘⓐⓑⓔⓣⓔⓢ", "dia\u200bbetes", "dia\u00adbetes",
        "di\u2060abe\ufefftes", "diаbetеs",
        "dιabetes", "d1abetes", "di4betes", "d i a b e t e s", "d.i.a.b.e.t.e.s", "d-i-a-b-e-t-e-s", "d_i_a_b_e_t_e_s",
        "d̶i̶a̶b̶e̶t̶e̶s̶", "díábetés", "dıabetes",
    ],
)  # fmt: skip
def test_a_disguised_word_is_the_word(disguised: str) -> None:
    assert fold_words(disguised) == "diabetes"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's  Crohn’s\ndisease.", "it s crohn s disease"),
        ("Is kind. Likes lists! Why? v3.11 too", "is kind\nlikes lists\nwhy\nv3 11 too"),
        ("i'm g a y", "i m gay"),
        ("h1n1, b2b, utf8 and i18n", "h1n1 b2b utf8 and i18n"),
        ("Straße, schwül, Ärger", "strasse schwül ärger"),
        ("café naïve", "cafe naïve"),
        ("привет", "привет"),
        ("ガ行とパン。次", "ガ行とパン\n次"),
        ("مُسْلِمَة", "مسلم"),
        ("والمدرسة", "مدرس"),
        ("٠٥٠١", "0501"),
        ("", ""),
        ("...", ""),
    ],
)
def test_ordinary_text_keeps_its_words(text: str, words: str) -> None:
    assert fold_words(text) == words


def test_a_russian_word_is_no_disguise_but_a_mixed_one_is() -> None:
    assert fold_plain("рак") == "рак"
    assert fold_plain("rак") == "rak"


def test_plain_keeps_case_layout_and_marks() -> None:
    assert fold_plain("A@b.com,\n  +1 (2)") == "A@b.com,\n  +1 (2)"
    assert fold_plain("ａ＠ｂ．ｃｏｍ\u200b") == "a@b.com"


@given(ANY_TEXT)
def test_any_text_folds_to_lines_of_words(text: str) -> None:
    folded = fold(text)

    assert folded.words == folded.words.strip()
    assert all(line and line == " ".join(line.split(" ")) and "  " not in line for line in folded.words.split("\n")[1:])
    assert not [character for character in folded.plain if unicodedata.category(character) == "Cf" and character in text
                and character in "\u200b\u200c\u200d\u2060\ufeff\u00ad"]  # fmt: skip


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=80))
def test_neither_case_nor_width_nor_hidden_characters_matter(text: str) -> None:
    wide = "".join(chr(ord(character) + 0xFEE0) if character > " " else character for character in text)

    assert fold_words(text.upper()) == fold_words(text.lower()) == fold_words(text)
    assert fold_words(wide) == fold_words(text)
    assert fold_words("\u200b".join(text)) == fold_words(text)


def test_it_shows_no_text() -> None:
    assert "secret" not in repr(fold("secret"))
