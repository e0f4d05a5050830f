"""Mutual information against log-probabilities taken one by one, and against the embedded world's truth."""

from __future__ import annotations

from functools import cache

import pytest

from client.prompts import with_persona, with_request
from client.rewards import Ranked
from client.rewards.mutual_information import PersonaMutualInformation, heeding
from shared.causal_lm import LanguageModel
from shared.language_model import ModelConfig, load_language_model
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.style import ALL_STYLES
from simulations.population.embedded.topics import ask, topics
from simulations.population.embedded.users import make_user
from tests.tiny import language_model, message

PROMPT = (message("user", "How does bread rise?"),)
REPLIES = ("Yeast eats sugar.", "It is the gas which makes bubbles in the dough.")


def per_token(model: LanguageModel, turns: object, reply: str) -> float:
    found = model.score([turns], [(message("assistant", reply),)])  # type: ignore[list-item]
    return float(found.log_probabilities[0] / found.tokens[0])


def test_it_is_the_difference_of_two_log_probabilities_a_token() -> None:
    model = language_model("llama")
    persona = "a beginner who likes short answers"
    (scores,) = PersonaMutualInformation(model).score([Ranked(prompt=PROMPT, persona=persona, candidates=REPLIES)])
    wanted = [per_token(model, with_persona(PROMPT, persona), one) - per_token(model, PROMPT, one) for one in REPLIES]
    assert scores == pytest.approx(wanted, abs=1e-4)


def test_without_persona_it_is_the_likelihood() -> None:
    model = language_model("llama")
    (scores,) = PersonaMutualInformation(model).score([Ranked(prompt=PROMPT, persona=None, candidates=REPLIES)])
    assert scores == pytest.approx([per_token(model, PROMPT, one) for one in REPLIES], abs=1e-4)


def test_heeding_conditions_on_the_request_with_the_feedback_in_it() -> None:
    model = language_model("llama")
    (found,) = heeding(model, [PROMPT], ["Please keep it short."], [REPLIES[0]])
    asked = with_request(PROMPT, "Please keep it short.")
    assert found == pytest.approx(per_token(model, asked, REPLIES[0]) - per_token(model, PROMPT, REPLIES[0]), abs=1e-4)


@cache
def tiny() -> LanguageModel:
    return load_language_model(ModelConfig(device="cpu"))


@pytest.mark.slow
def test_on_the_embedded_world_it_ranks_the_wanted_style_over_its_opposite() -> None:
    """It is not the rule that scores replies, so this is a finding and no identity."""
    from random import Random

    rng = Random(5)
    cases = []
    for index in range(60):
        user = make_user(9, "tuning", index)
        topic = rng.choice(topics(held_out=False, domain=user.interests[0]))
        plan = plan_reply(topic, rng)
        opposite = user.style.flipped("expertise", "informativeness", "tone", "structure")
        candidates = (word_reply(plan, user.style), word_reply(plan, opposite))
        prompt = (message("user", ask(topic, rng)),)
        cases.append(Ranked(prompt=prompt, persona=user.persona, candidates=candidates))
    assert len(ALL_STYLES) == 16
    scores = PersonaMutualInformation(tiny()).score(cases)
    assert sum(wanted > unwanted for wanted, unwanted in scores) / len(scores) > 0.85
    agnostic = PersonaMutualInformation(tiny()).score(
        [Ranked(prompt=case.prompt, persona=None, candidates=case.candidates) for case in cases]
    )
    assert sum(wanted > unwanted for wanted, unwanted in agnostic) / len(agnostic) < 0.7
