"""The evaluation on models whose answers are known: what should win wins, and drift is told from personalization."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Unpack

import pytest

from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.conversation import Message
from shared.generation import GeneratedReply, GenerationSettings
from shared.language_model import ModelConfig, load_language_model
from simulations.evaluation.embedded import CONDITIONS, EmbeddedEvaluation, evaluate_embedded
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.parser import topic_of
from simulations.population.embedded.personas import read_persona
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.embedded.style import AXES, DEFAULT_STYLE, Style

POPULATION = EmbeddedPopulation(seed=3, users=48, split="reporting")
Speaker = Callable[[str, str], str]  # (persona or "", question) → reply


def in_style(style: Style, question: str) -> str:
    topic = topic_of(question)
    assert topic is not None
    return word_reply(plan_reply(topic, Random(question)), style)


def stock(persona: str, question: str) -> str:
    return in_style(DEFAULT_STYLE, question)


def drifted(persona: str, question: str) -> str:
    return in_style(DEFAULT_STYLE.flipped(*AXES), question)


def obedient(persona: str, question: str) -> str:
    return in_style(Style(**dict(read_persona(persona))), question)


def babbling(persona: str, question: str) -> str:
    return obedient(persona, question) + " and and"


class Speakers:
    """A model whose adapter changes who speaks; it records the prompts it saw."""

    name = "speakers"

    def __init__(self, base: Speaker, tuned: Speaker) -> None:
        self.base, self.tuned, self.speaker = base, tuned, tuned
        self.prompts: list[tuple[Message, ...]] = []

    @property
    def language_model(self) -> Speakers:
        return self

    @contextmanager
    def disabled(self) -> Iterator[None]:
        self.speaker = self.base
        try:
            yield
        finally:
            self.speaker = self.tuned

    def generate_replies(
        self, conversations: Sequence[Sequence[Message]], **_: Unpack[GenerationSettings]
    ) -> list[list[GeneratedReply]]:
        self.prompts += [tuple(turns) for turns in conversations]
        said = [
            self.speaker(turns[0].content if turns[0].role == "system" else "", turns[-1].content)
            for turns in conversations
        ]
        return [[GeneratedReply(text=text, finished=True)] for text in said]


def evaluate(tuned: Speaker) -> EmbeddedEvaluation:
    return evaluate_embedded(Speakers(stock, tuned), POPULATION, temperatures=(0.0,))


def test_an_unchanged_model_ties_everywhere() -> None:
    found = evaluate(stock)
    for condition in CONDITIONS:
        result = found.result(condition)
        assert result.win.value == result.win.low == result.win.high == 0.5
        assert result.base_coherent == result.tuned_coherent == 1.0
        assert result.base_fit == result.tuned_fit.value
    assert found.personalization[0.0].value == 0.0
    assert found.examples == ()


def test_a_model_that_obeys_the_persona_wins_under_ones_own_only() -> None:
    found = evaluate(obedient)
    own = found.result("own")
    assert own.tuned_fit.value == 4.0
    assert set(own.tuned_axes.values()) == {1.0}
    assert own.win.value > 0.9
    assert found.result("none").win.value == 0.5
    assert found.result("other").win.value < 0.7
    assert found.personalization[0.0].low > 0.25
    assert found.personalization[0.0].value == pytest.approx(own.win.value - found.result("other").win.value)


def test_a_drift_of_style_is_no_personalization() -> None:
    found = evaluate(drifted)
    wins = [found.result(condition).win.value for condition in CONDITIONS]
    assert wins[0] == wins[1] == wins[2]
    assert found.personalization[0.0].value == 0.0


def test_incoherent_replies_lose_however_they_are_styled() -> None:
    own = evaluate(babbling).result("own")
    assert own.tuned_coherent == 0.0
    assert own.tuned_fit.value == 0.0
    assert own.win.value < 0.1


def test_every_user_asks_the_same_held_out_questions_under_own_no_and_anothers_persona() -> None:
    model = Speakers(stock, stock)
    evaluate_embedded(model, POPULATION, temperatures=(0.0,))
    size = 48 * 2
    assert len(model.prompts) == 2 * 3 * size
    own, none, other = (model.prompts[index * size : (index + 1) * size] for index in range(3))
    for index in range(size):
        user = POPULATION.user(index // 2)
        assert user.persona in own[index][0].content
        assert [message.role for message in none[index]] == ["user"]
        assert own[index][-1] == none[index][-1] == other[index][-1]
        assert read_persona(other[index][0].content) != read_persona(own[index][0].content)


def test_intervals_are_over_users_and_hold_the_value() -> None:
    win = evaluate(obedient).result("other").win
    assert win.low < win.value < win.high
    assert win.high - win.low > 0.05


def test_the_result_goes_to_json_and_names_what_was_not_evaluated() -> None:
    found = evaluate(obedient)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["results"][0]["win"]["value"] == found.result("own").win.value
    with pytest.raises(KeyError, match=r"own at temperature 0\.7"):
        found.result("own", 0.7)


def test_tacit_tiny_with_a_fresh_adapter_ties_with_itself_and_makes_sense() -> None:
    adapted = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(rank=1))
    population = EmbeddedPopulation(seed=3, users=6, split="reporting")
    found = evaluate_embedded(adapted, population, temperatures=(0.0, 0.7))
    for temperature in (0.0, 0.7):
        for condition in CONDITIONS:
            result = found.result(condition, temperature)
            assert result.win.value == 0.5
            assert result.base_coherent >= 0.75
            assert result.base_fit == result.tuned_fit.value > 1.0
