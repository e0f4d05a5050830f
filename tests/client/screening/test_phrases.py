"""The language of rules: what a phrase finds, where it stops, and what a table may not say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screening.folding import fold_words
from client.screening.phrases import PhraseError, compile_phrases


def found(table: str, text: str, **sets: str) -> bool:
    return compile_phrases(table, sets=sets).found_in(fold_words(text))


@pytest.mark.parametrize(
    ("table", "yes", "no"),
    [
        ("asthma", ["Has asthma.", "ASTHMA!"], ["asthmatic", "plasthma"]),
        ("diabet*", ["diabetic", "diabetes"], ["prediabetes"]),
        ("*krebs*", ["Brustkrebs", "krebskrank"], ["kreis"]),
        ("heart attack|failure", ["a heart attack", "heart failure"], ["heart surgeon", "heart. Attack"]),
        ("in the? union", ["in the union", "in union"], ["in a union"]),
        ("kill ~2 boss", ["kill boss", "kill my old boss"], ["kill my very old boss", "kill. My boss"]),
        ("hide|get_rid_of ~1 body", ["get rid of the body", "hide a body"], ["get the body"]),
        ("crohn's disease", ["Crohn’s disease", "crohn s disease"], ["crohn disease"]),
        ("a cat; a dog # and a comment\n# another\na cow", ["a cat", "a dog", "a cow"], ["a comment", "another"]),
        ("爆弾 ~4 作", ["爆弾を家で作る", "爆弾作り"], ["爆弾の歴史について本を作る", "爆弾。作る"]),
        ("سكري", ["يعاني من السكري", "والسكري"], ["عسكري"]),
    ],
)
def test_a_phrase_finds_what_it_says(table: str, yes: list[str], no: list[str]) -> None:
    assert [text for text in yes if not found(table, text)] == []
    assert [text for text in no if found(table, text)] == []


def test_sets_stand_for_their_phrases_and_may_use_earlier_ones() -> None:
    sets = {"kin": "sister; step ~1 brother", "who": "my|her {kin}; them"}

    assert found("insult ~1 {who}", "Insult my sister", **sets)
    assert found("insult ~1 {who}", "insult her step little brother", **sets)
    assert found("{who} again", "them again", **sets)
    assert not found("insult ~1 {who}", "insult his sister", **sets)


def test_a_shorter_alternative_does_not_hide_a_longer_one() -> None:
    assert found("very {much} so", "very so much so", much="so; so much")
    assert found("very {much} so", "very so so", much="so; so much")
    masked = compile_phrases("cancer; cancer researcher").taken_out("a cancer researcher said")
    assert masked == "a \N{BULLET} said"


@pytest.mark.parametrize(
    "table",
    [
        "{unknown} a",
        "a {unknown}",
        "~2 a",
        "a ~2",
        "a ~x b",
        "a? b",
        "wor*d end",
        "a b|{c}",
        "a b|~2",
        "co?lour x",
        "{c}x",
    ],
)
def test_a_table_that_cannot_be_read_is_refused(table: str) -> None:
    with pytest.raises(PhraseError):
        compile_phrases(table, sets={"c": "d"})


@given(
    st.lists(st.text("abcd", min_size=1, max_size=5), min_size=1, max_size=12, unique=True),
    st.text("abcd ", max_size=40),
)
def test_plain_words_are_found_as_a_set_of_words_would_find_them(words: list[str], text: str) -> None:
    folded = fold_words(text)

    assert compile_phrases("; ".join(words)).found_in(folded) == bool(
        set(map(fold_words, words)) & set(re.split(r"\s", folded))
    )


def test_an_empty_table_finds_nothing() -> None:
    assert not compile_phrases("# nothing").found_in("anything at all")
