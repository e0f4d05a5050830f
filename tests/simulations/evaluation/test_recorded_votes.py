"""Votes as judges of two models: implicit rewards against a reference, and votes that are too long."""

from __future__ import annotations

import numpy as np
import pytest

from client.prompts import with_persona
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from simulations.evaluation.recorded_votes import NoVotesError, compare_on_votes
from simulations.population.recorded import RecordedPair
from tests.tiny import language_model, message, pair

VOTES = [RecordedPair(user_id=f"u{place % 3}", group=str(place), pair=pair(place)) for place in range(12)]


def test_a_tuned_model_is_asked_by_its_implicit_reward() -> None:
    base = language_model("llama")
    adapted = attach_adapter(language_model("llama"), AdapterConfig(rank=2))
    vector = np.random.default_rng(1).normal(size=adapted.spec.dimension).astype(np.float32)
    adapted.load(vector)
    tuned = adapted.language_model

    found = compare_on_votes(VOTES, tuned, base, base, seed=0)

    told = []
    for vote in VOTES:
        prompt = with_persona(vote.pair.prompt, vote.pair.persona)
        rewards = [
            float(tuned.log_probabilities([prompt], [side]) - base.log_probabilities([prompt], [side]))
            for side in (vote.pair.chosen, vote.pair.rejected)
        ]
        told.append(rewards[0] > rewards[1])
    assert found.first.value == pytest.approx(np.mean(told))
    assert found.first.users == 3
    assert found.difference.value == pytest.approx(found.first.value - found.second.value)


def test_a_model_against_itself_is_no_different() -> None:
    base = language_model("llama")
    found = compare_on_votes(VOTES, base, base, base, seed=0)
    assert found.difference.value == found.difference.low == found.difference.high == 0
    assert 0 < found.first.value < 1


def test_votes_that_are_too_long_are_left_out_and_counted() -> None:
    base = language_model("llama")
    long = RecordedPair(
        user_id="u9",
        group="x",
        pair=type(VOTES[0].pair)(
            prompt=(message("user", "dough " * 300),),
            chosen=VOTES[0].pair.chosen,
            rejected=VOTES[0].pair.rejected,
        ),
    )
    assert compare_on_votes([*VOTES, long], base, base, base, seed=0).too_long == 1
    with pytest.raises(NoVotesError):
        compare_on_votes([long], base, base, base, seed=0)
