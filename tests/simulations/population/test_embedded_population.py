"""The population: lazy, the same in every process, and honest about who prefers what."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter

import pytest

from shared.conversation import PreferencePair
from simulations.population.embedded.parser import read_reply, topic_of
from simulations.population.embedded.personas import read_persona
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.embedded.style import AXES, UNSEEN_STYLES
from simulations.population.embedded.topics import topics
from simulations.population.protocol import Population

POPULATION = EmbeddedPopulation(seed=5, users=400)

_PRINT_PAIRS = """
import json
from simulations.population.embedded.population import EmbeddedPopulation
pairs = EmbeddedPopulation(seed=5, users=400).pairs(123)
print(json.dumps([[p.persona, p.prompt[0].content, p.chosen[0].content, p.rejected[0].content] for p in pairs]))
"""


def plain(pairs: tuple[PreferencePair, ...]) -> list[list[str | None]]:
    return [[pair.persona, pair.prompt[0].content, pair.chosen[0].content, pair.rejected[0].content] for pair in pairs]


def test_it_is_a_population() -> None:
    population: Population = POPULATION
    assert (population.name, len(population)) == ("embedded", 400)


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_pairs(hash_seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_PAIRS],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == plain(POPULATION.pairs(123))


def test_it_pickles_small_and_keeps_its_pairs() -> None:
    million = EmbeddedPopulation(seed=5, users=10**6)
    data = pickle.dumps(million)
    assert len(data) < 500
    assert pickle.loads(data).pairs(7) == million.pairs(7)  # noqa: S301 - our own bytes


def test_a_user_of_millions_costs_milliseconds() -> None:
    population = EmbeddedPopulation(seed=5, users=10**7)
    population.pairs(0)  # the vocabulary is read once
    started = time.perf_counter()
    population.pairs(10**6)
    assert time.perf_counter() - started < 0.1


def test_a_users_pairs_do_not_depend_on_the_size_of_the_population() -> None:
    assert EmbeddedPopulation(seed=5, users=3).pairs(2) == POPULATION.pairs(2)


@pytest.mark.parametrize("n", [0, 1, 3, 10, 50])
def test_a_user_has_as_many_pairs_as_asked(n: int) -> None:
    pairs = EmbeddedPopulation(seed=5, users=3, pairs_per_user=n).pairs(1)
    assert len(pairs) == n
    assert Counter(pair.origin for pair in pairs) == Counter({"rewrite": (n + 1) // 2, "reward": n // 2})


def test_the_chosen_reply_always_fits_the_persona_strictly_better() -> None:
    for index in range(len(POPULATION)):
        user = POPULATION.user(index)
        for pair in POPULATION.pairs(index):
            question = pair.prompt[0].content
            chosen, rejected = (read_reply(reply[0].content, question) for reply in (pair.chosen, pair.rejected))
            assert chosen.coherent
            assert rejected.coherent
            assert chosen.fit(user.style) > rejected.fit(user.style)
            assert pair.persona == user.persona


@pytest.mark.parametrize("origin", ["rewrite", "reward"])
def test_pairs_point_to_both_poles_of_each_axis_so_that_learning_is_no_drift(origin: str) -> None:
    towards: Counter[tuple[str, str]] = Counter()
    for index in range(len(POPULATION)):
        for pair in POPULATION.pairs(index):
            if pair.origin == origin:
                question = pair.prompt[0].content
                chosen, rejected = (read_reply(reply[0].content, question) for reply in (pair.chosen, pair.rejected))
                for axis in AXES:
                    pole = chosen.poles[axis]
                    if pole != rejected.poles[axis] and pole is not None:
                        towards[axis, pole] += 1
    assert len(towards) == 8
    for axis in AXES:
        counts = [count for (other, _), count in towards.items() if other == axis]
        assert max(counts) < 1.25 * min(counts), axis


def test_the_persona_says_what_the_user_prefers() -> None:
    for split in ("train", "tuning", "reporting"):
        population = EmbeddedPopulation(seed=5, users=100, split=split)
        for index in range(100):
            user = population.user(index)
            assert read_persona(user.persona) == {axis: user.style[axis] for axis in AXES}


def test_splits_share_no_user() -> None:
    seen: set[str] = set()
    for split in ("train", "tuning", "reporting"):
        population = EmbeddedPopulation(seed=5, users=300, split=split)
        users = [population.user(index) for index in range(300)]
        identities = {user.identity for user in users}
        assert len(identities) == 300
        assert not identities & seen
        seen |= identities
        if split == "train":
            assert not any(user.unseen_style or user.held_out_wording for user in users)
        else:
            assert {user.style for user in users} >= set(UNSEEN_STYLES)
            assert sum(user.held_out_wording for user in users) == 150


def test_questions_are_about_held_out_topics_of_the_users_interests() -> None:
    held_out = set(topics(held_out=True))
    assert not held_out & set(topics(held_out=False))
    for index in range(50):
        user, questions = POPULATION.user(index), POPULATION.questions(index, 5)
        found = [topic_of(turns[0].content) for turns in questions]
        assert len(set(found)) == 5
        for topic in found:
            assert topic in held_out
            assert topic.domain in user.interests
        trained_on = {topic_of(pair.prompt[0].content) for pair in POPULATION.pairs(index)}
        assert not trained_on & held_out


def test_an_index_outside_the_population_is_refused() -> None:
    with pytest.raises(IndexError, match="400 users"):
        POPULATION.pairs(400)
