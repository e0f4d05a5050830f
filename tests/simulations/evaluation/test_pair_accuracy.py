"""Pair accuracy and its cross-validation: a scorer that has memorised its training must gain nothing from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from client.training import NonFiniteTrainingError
from shared.conversation import Message, PreferencePair
from simulations.evaluation.cross_validation import Fold, cross_validation_folds
from simulations.evaluation.pair_accuracy import FoldProgress, cross_validate, evaluate_pairs
from simulations.evaluation.pair_scoring import PairFigures
from simulations.evaluation.vote_tally import METHODS, PairAccuracyError, assistant_characters, impersonal_ceiling
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user

PRIVATE = "zebra-quartz-7781"
USERS, GROUPS = 6, 5


def recorded(user: int, group: int, *, chosen: str = "yes, because", rejected: str = "no") -> RecordedPair:
    pair = PreferencePair(
        prompt=(Message(role="user", content=f"{PRIVATE} {group}"),),
        chosen=(Message(role="assistant", content=f"{chosen} {user}"),),
        rejected=(Message(role="assistant", content=rejected),),
        origin="vote",
    )
    return RecordedPair(user_id=f"user-{user}", group=f"group-{group}", pair=pair)


def everyone() -> RecordedPopulation:
    votes = [recorded(user, group) for user in range(USERS) for group in range(GROUPS)]
    return group_by_user("made", votes, users_without_pairs=["user-idle"])


def user_of(pair: PreferencePair) -> int:
    return int(pair.chosen[0].content.split()[-1])


def group_of(pair: PreferencePair) -> int:
    return int(pair.prompt[0].content.split()[-1])


def memory(pairs: Sequence[PreferencePair]) -> NDArray[np.float32]:
    """An adapter that remembers who and what it was trained on, as 0 or 1 each."""
    vector = np.zeros(USERS + GROUPS, dtype=np.float32)
    for pair in pairs:
        vector[user_of(pair)] = vector[USERS + group_of(pair)] = 1
    return vector


class Memoriser:
    """Tells a vote right if it remembers its user, or its group, and is at a loss otherwise."""

    def __init__(self, *, by: str) -> None:
        self.by = by
        self.alone: list[tuple[PreferencePair, ...]] = []
        self.seeds: list[int] = []

    def score(self, vector: NDArray[np.float32], pairs: Sequence[PreferencePair]) -> PairFigures:
        places = [user_of(pair) if self.by == "user" else USERS + group_of(pair) for pair in pairs]
        margin = vector[places].astype(np.float64)
        zero = np.zeros(len(pairs))
        return PairFigures(
            margin=margin,
            tuned_summed=margin,
            tuned_per_token=-margin,
            base_summed=zero + 1,
            base_per_token=zero - 1,
            prompts_cut=1,
            completions_cut=2,
            indistinguishable=3,
        )

    def train_alone(self, pairs: Sequence[PreferencePair], *, seed: int) -> NDArray[np.float32]:
        self.alone.append(tuple(pairs))
        self.seeds.append(seed)
        return memory(pairs)


def federate(training: RecordedPopulation, fold: Fold) -> NDArray[np.float32]:
    return memory([pair for index in range(len(training)) for pair in training.pairs(index)])


@pytest.mark.parametrize("by", ["user", "group"])
def test_what_a_fold_has_memorised_does_not_help_it(by: str) -> None:
    population, scorer = everyone(), Memoriser(by=by)
    folds = cross_validation_folds(population, seed=3)
    result = cross_validate(population, folds, scorer, federate, seed=1, resamples=50)
    assert result.accuracy["federated"].value == 0.5
    # The user's own votes on other groups may name the user, and never the group.
    assert result.accuracy["local"].value == (1.0 if by == "user" else 0.5)
    assert (result.votes, result.votes_left, result.folds) == (USERS * GROUPS, 0, 9)
    assert (result.accuracy["base_summed"].value, result.accuracy["base_per_token"].value) == (1.0, 0.0)
    assert result.differences["base_summed"].value == -0.5
    # The same scorer is right about everything it has seen, so the test above could fail.
    seen = evaluate_pairs(population.recorded_pairs(), scorer, federate(population, folds[0]), seed=1, resamples=50)
    assert seen.accuracy["federated"].value == 1.0
    assert seen.accuracy["federated_per_token"].value == 0.0
    assert "local" not in seen.accuracy


def test_local_training_sees_only_its_own_user_and_other_groups() -> None:
    population, scorer = everyone(), Memoriser(by="user")
    folds = cross_validation_folds(population, seed=3)
    cross_validate(population, folds, scorer, federate, seed=1, resamples=50)
    assert len(scorer.alone) == USERS * 3
    assert len(set(scorer.seeds)) == len(scorer.seeds)
    for pairs in scorer.alone:
        assert len({user_of(pair) for pair in pairs}) == 1
        assert len({group_of(pair) for pair in pairs}) < GROUPS
    again = Memoriser(by="user")
    cross_validate(population, folds, again, federate, seed=1, resamples=50)
    assert (again.alone, again.seeds) == (scorer.alone, scorer.seeds)


def test_users_without_own_votes_on_other_groups_are_ties_and_counted() -> None:
    votes = [entry for entry in everyone().recorded_pairs() if entry.user_id != "user-5"]
    population = group_by_user("made", [*votes, recorded(5, 2)])
    folds = cross_validation_folds(population, seed=0)
    result = cross_validate(population, folds, Memoriser(by="user"), federate, seed=0, resamples=50)
    assert result.without_own_training == 1
    assert result.users[5].votes == 1
    assert result.users[5].accuracy["local"] == 0.5


def test_who_diverges_alone_is_a_tie_and_ends_nothing() -> None:
    class Diverging(Memoriser):
        def train_alone(self, pairs: Sequence[PreferencePair], *, seed: int) -> NDArray[np.float32]:
            if user_of(pairs[0]) == 4:
                raise NonFiniteTrainingError("the trained adapter is not finite")
            return super().train_alone(pairs, seed=seed)

    population = everyone()
    folds = cross_validation_folds(population, seed=0)
    result = cross_validate(population, folds, Diverging(by="user"), federate, seed=0, resamples=50)

    assert result.without_own_training == GROUPS
    assert result.users[4].accuracy["local"] == 0.5
    assert result.users[3].accuracy["local"] == 1.0


def test_progress_and_switches() -> None:
    population, scorer = everyone(), Memoriser(by="user")
    seen: list[FoldProgress] = []
    folds = cross_validation_folds(population, cells="diagonal", seed=2)
    result = cross_validate(
        population, folds, scorer, federate, with_local=False, progress=seen.append, seed=0, resamples=50
    )
    assert [(step.done, step.folds) for step in seen] == [(1, 3), (2, 3), (3, 3)]
    assert sum(step.votes for step in seen) == result.votes
    assert result.votes + result.votes_left == USERS * GROUPS
    assert result.votes_left > 0
    assert "local" not in result.accuracy
    assert "local" not in result.differences
    assert scorer.alone == []
    assert (result.prompts_cut, result.completions_cut, result.indistinguishable) == (3, 6, 9)


def test_the_result_is_numbers_without_names_or_text() -> None:
    population = everyone()
    folds = cross_validation_folds(population, seed=3)
    result = cross_validate(population, folds, Memoriser(by="user"), federate, seed=1, resamples=50)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert PRIVATE not in text
    assert "user-" not in text
    assert set(json.loads(text)["accuracy"]) == set(METHODS)
    assert [user.votes for user in result.users] == [GROUPS] * USERS


def test_folds_that_leak_overlap_or_hold_nothing_are_refused_before_training() -> None:
    population = everyone()
    fold, other, *_ = cross_validation_folds(population, seed=3)

    def never(training: RecordedPopulation, fold: Fold) -> NDArray[np.float32]:
        raise AssertionError("trained")

    cases = {
        "no fold has a vote": [],
        "tests votes that another": [fold, other, fold],
        "users or groups that it tests": [replace(fold, train_users=fold.train_users | fold.test_users)],
        "groups that it tests": [replace(fold, train_groups=fold.train_groups | fold.test_groups)],
        "no pairs to train on": [replace(fold, train_groups=frozenset())],
    }
    for match, folds in cases.items():
        with pytest.raises(PairAccuracyError, match=match):
            cross_validate(population, folds, Memoriser(by="user"), never, seed=0)
    with pytest.raises(PairAccuracyError, match="no pairs to test"):
        evaluate_pairs([], Memoriser(by="user"), np.zeros(1, dtype=np.float32), seed=0)


def test_the_longer_reply_is_by_the_assistants_characters_alone() -> None:
    reply = (
        Message(role="assistant", content="abc"),
        Message(role="user", content="x" * 50),
        Message(role="assistant", content="éé"),
    )
    assert assistant_characters(reply) == 5
    votes = [
        recorded(0, 0, chosen="longer", rejected="no"),
        recorded(1, 0, chosen="a", rejected="much longer"),
        recorded(2, 0, chosen="ab", rejected="ab 9"),
    ]
    result = evaluate_pairs(votes, Memoriser(by="user"), np.zeros(USERS + GROUPS, dtype=np.float32), seed=0)
    assert [user.accuracy["longer"] for user in result.users] == [1.0, 0.0, 0.5]
    assert result.accuracy["longer"].users == 3


def test_the_ceiling_of_judges_who_know_nobody_is_the_majoritys_share() -> None:
    def vote(user: int, *, first_wins: bool, group: int = 0) -> RecordedPair:
        one, two = (Message(role="assistant", content="one"),), (Message(role="assistant", content="two"),)
        pair = PreferencePair(
            prompt=(Message(role="user", content=f"about {group}"),),
            chosen=one if first_wins else two,
            rejected=two if first_wins else one,
        )
        return RecordedPair(user_id=f"u{user}", group=f"g{group}", pair=pair)

    votes = [vote(0, first_wins=True), vote(1, first_wins=True), vote(2, first_wins=False)]
    assert impersonal_ceiling(votes) == 2 / 3
    assert impersonal_ceiling([*votes, vote(3, first_wins=False, group=1)]) == 3 / 4
