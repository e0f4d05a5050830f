"""Every reply the grammar can word is read back by the parser, and nothing else passes for sense."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.parser import read_reply, topic_of
from simulations.population.embedded.style import (
    ALL_STYLES,
    AXES,
    DEFAULT_STYLE,
    TRAINING_STYLES,
    UNSEEN_STYLES,
    Style,
    assistant_style,
)
from simulations.population.embedded.topics import ask, domains, topics

TOPICS = topics(held_out=False) + topics(held_out=True)


@settings(max_examples=300, deadline=None)
@given(
    topic=st.sampled_from(TOPICS), style=st.sampled_from(ALL_STYLES), seed=st.integers(0, 2**32), held_out=st.booleans()
)
def test_a_reply_in_any_style_about_any_topic_reads_back_as_itself(topic, style, seed, held_out) -> None:  # type: ignore[no-untyped-def]
    rng = Random(seed)
    question = ask(topic, rng, held_out=held_out)
    reading = read_reply(word_reply(plan_reply(topic, rng), style), question)
    assert topic_of(question) == topic
    assert reading.coherent
    assert reading.poles == {axis: style[axis] for axis in AXES}
    assert reading.fit(style) == 4
    assert reading.fit(style.flipped("tone")) == 3
    assert reading.fit(style.flipped(*AXES)) == 0


@pytest.mark.parametrize("style", ALL_STYLES)
def test_text_that_is_not_a_whole_sensible_answer_is_incoherent(style: Style) -> None:
    topic = TOPICS[0]
    elsewhere = next(other for other in TOPICS if other.domain != topic.domain)
    neighbour = next(other for other in TOPICS if other.domain == topic.domain and other.subject != topic.subject)
    rng = Random(0)
    question, reply = ask(topic, rng), word_reply(plan_reply(topic, rng), style)
    assert not read_reply("", question).coherent
    assert not read_reply(reply[:-6], question).coherent, "cut off in the middle of a sentence"
    assert not read_reply(reply, ask(elsewhere, rng)).coherent, "about another domain's topic"
    assert not read_reply(reply, ask(neighbour, rng)).coherent, "about the neighbouring subject"
    assert not read_reply(reply, "What time is it?").coherent
    assert not read_reply(reply + " blue potato window", question).coherent


def test_a_repeated_piece_of_advice_is_incoherent() -> None:
    topic = TOPICS[0]
    rng = Random(1)
    reply = word_reply(plan_reply(topic, rng), DEFAULT_STYLE)
    opener, first, *rest = reply.split("\n")
    assert not read_reply("\n".join([opener, first, first, *rest[1:]]), ask(topic, rng)).coherent


def test_length_is_what_was_said_and_not_what_the_opener_promised() -> None:
    topic = TOPICS[0]
    plan = plan_reply(topic, Random(2))
    detailed = word_reply(plan, DEFAULT_STYLE)
    concise_opener = word_reply(plan, DEFAULT_STYLE.flipped("informativeness")).split("\n")[0]
    mixed = "\n".join([concise_opener, *detailed.split("\n")[1:]])
    assert read_reply(mixed, topic.name).poles["informativeness"] == "detailed"


def test_no_wording_of_advice_serves_both_poles_or_two_domains() -> None:
    wordings = [
        form for domain in domains().values() for pair in (*domain.advice, *domain.facts.values()) for form in pair
    ]
    assert len(wordings) == len(set(wordings)) == 2 * 8 * 12


def test_styles_held_back_from_training_leave_every_pole_equally_frequent() -> None:
    assert len(ALL_STYLES) == 16
    assert len(TRAINING_STYLES) == 12
    for axis in AXES:
        for styles in (TRAINING_STYLES, UNSEEN_STYLES):
            assert sum(style[axis] == DEFAULT_STYLE[axis] for style in styles) * 2 == len(styles)


def test_the_logged_assistant_mostly_answers_in_its_default_style() -> None:
    rng = Random(3)
    drawn = [assistant_style(rng) for _ in range(4000)]
    share = sum(style == DEFAULT_STYLE for style in drawn) / len(drawn)
    assert 0.45 < share < 0.52  # 0.45 + 0.55 / 16 = 0.484
    assert set(drawn) == set(ALL_STYLES)


def test_an_unknown_pole_is_refused_by_axis() -> None:
    with pytest.raises(ValueError, match="tone must be one of"):
        Style(tone="rude")
