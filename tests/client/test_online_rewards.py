"""Online rewards: fresh pairs from the round's adapter, one for one, the same for the same request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client.filtering import FilterConfig
from client.online_rewards import refresh_reward_pairs
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.conversation import PreferencePair
from tests.tiny import language_model, pair

ANY = FilterConfig(enabled=False)


@pytest.fixture
def adapted() -> AdaptedModel:
    model = language_model("llama")
    model.chat.end_of_turn_ids = frozenset(range(40))  # replies come to an end
    return attach_adapter(model, AdapterConfig(rank=2))


def refreshed(
    adapted: AdaptedModel, pairs: list[PreferencePair], seed: int = 0, scale: float = 0.0
) -> tuple[PreferencePair, ...]:
    vector = np.random.default_rng(0).normal(size=adapted.spec.dimension).astype(np.float32) * np.float32(scale)
    adapted.load(vector)
    found = refresh_reward_pairs(adapted, pairs, candidates=4, max_new_tokens=12, seed=seed, quality=ANY)
    assert np.array_equal(adapted.read(), vector), "the adapter is left where it was"
    return found


REWARDS = [replace(pair(index), origin="reward") for index in range(3)]


def test_only_reward_pairs_are_made_anew_and_keep_request_and_persona(adapted: AdaptedModel) -> None:
    rewrite = pair(5)
    found = refreshed(adapted, [rewrite, *REWARDS])
    assert found[0] == rewrite
    by_prompt = {one.prompt: one for one in REWARDS}
    for one in found[1:]:
        assert one.persona == by_prompt[one.prompt].persona
        assert one.chosen != by_prompt[one.prompt].chosen
        assert one.origin == "reward"


def test_the_same_request_makes_the_same_pairs_whatever_the_others_are(adapted: AdaptedModel) -> None:
    together = refreshed(adapted, REWARDS)
    assert refreshed(adapted, REWARDS) == together
    alone = [one for single in REWARDS for one in refreshed(adapted, [single])]
    assert tuple(alone) == together
    assert refreshed(adapted, REWARDS, seed=1) != together


def test_the_adapter_writes_the_candidates(adapted: AdaptedModel) -> None:
    assert refreshed(adapted, REWARDS, scale=0.5) != refreshed(adapted, REWARDS)


def test_a_request_without_two_candidates_that_differ_makes_no_pair(adapted: AdaptedModel) -> None:
    adapted.language_model.chat.end_of_turn_ids = frozenset(range(320))  # every reply is empty
    assert refreshed(adapted, REWARDS) == ()


def test_one_candidate_is_refused(adapted: AdaptedModel) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        refresh_reward_pairs(adapted, REWARDS, candidates=1, max_new_tokens=4, seed=0)
