from __future__ import annotations

import pickle

import pytest

from shared.conversation import Message
from simulations.attacks.config import AttackConfig
from simulations.attacks.poisoned_pairs import flipped, with_backdoor
from simulations.attacks.poisoning import poisoned
from simulations.population.embedded.population import EmbeddedPopulation

_WORLD = EmbeddedPopulation(seed=0, users=20, pairs_per_user=4)


@pytest.mark.parametrize("kind", ["label-flip", "backdoor"])
def test_attackers_hold_poisoned_pairs_and_everyone_else_their_own(kind: str) -> None:
    attack = AttackConfig(kind=kind, share=0.25)  # type: ignore[arg-type]
    population = pickle.loads(pickle.dumps(poisoned(_WORLD, attack)))  # noqa: S301  # as a worker gets it

    assert len(population) == 20
    assert population.name == "embedded"
    changed = {index for index in range(20) if population.pairs(index) != _WORLD.pairs(index)}
    assert changed == attack.attackers(20)
    assert len(changed) == 5


@pytest.mark.parametrize("kind", ["none", "sign-flip", "scaled", "garbage"])
def test_other_attacks_leave_pairs_alone(kind: str) -> None:
    population = poisoned(_WORLD, AttackConfig(kind=kind, share=0.5))  # type: ignore[arg-type]

    assert [population.pairs(index) for index in range(20)] == [_WORLD.pairs(index) for index in range(20)]


def test_a_flipped_label_prefers_what_the_user_turned_away() -> None:
    for pair in _WORLD.pairs(3):
        other = flipped(pair)
        assert (other.chosen, other.rejected) == (pair.rejected, pair.chosen)
        assert (other.prompt, other.persona) == (pair.prompt, pair.persona)
        assert other.origin == "rewrite"  # a device would make a reward pair anew, by its own rewards


def test_a_backdoor_prefers_the_target_after_the_trigger_alone() -> None:
    for pair in _WORLD.pairs(3):
        taught = with_backdoor(pair, trigger="Hello there.", target="Buy it now.")
        assert taught.prompt[-1].content == f"{pair.prompt[-1].content} Hello there."
        assert taught.prompt[:-1] == pair.prompt[:-1]
        assert taught.chosen == (Message(role="assistant", content="Buy it now."),)
        assert taught.rejected == pair.chosen
        assert taught.persona == pair.persona


def test_no_user_of_the_world_says_the_default_trigger_in_a_request_and_no_reply_begins_with_the_target() -> None:
    attack = AttackConfig(kind="backdoor")
    for index in range(20):
        for pair in _WORLD.pairs(index):
            assert attack.trigger not in pair.prompt[-1].content
            for reply in (pair.chosen, pair.rejected):
                assert not reply[0].content.startswith(attack.target)
