"""No fold may test what its federation, or the user's own training, has seen; and every vote is tested once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conversation import Message, PreferencePair
from simulations.evaluation.cross_validation import cross_validation_folds
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user


def made(votes: list[tuple[int, int]], idle: int = 0) -> RecordedPopulation:
    """Votes as (user, group), each pair distinct; `idle` users never voted."""
    entries = []
    for number, (user, group) in enumerate(votes):
        pair = PreferencePair(
            prompt=(Message(role="user", content=f"about {group}"),),
            chosen=(Message(role="assistant", content=f"yes {number}"),),
            rejected=(Message(role="assistant", content="no"),),
            origin="vote",
        )
        entries.append(RecordedPair(user_id=f"u{user}", group=f"g{group}", pair=pair))
    return group_by_user("made", entries, users_without_pairs=[f"idle{number}" for number in range(idle)])


@st.composite
def grids(draw: st.DrawFn) -> tuple[RecordedPopulation, int, int]:
    votes = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7)), min_size=4, max_size=60))
    population = made([*votes, (0, 0), (1, 1)], idle=draw(st.integers(0, 3)))
    return (
        population,
        draw(st.integers(2, min(4, len(population)))),
        draw(st.integers(2, min(4, len(population.groups())))),
    )


@given(grids(), st.integers(0, 100))
def test_nothing_leaks_and_every_vote_is_tested_exactly_once(
    grid: tuple[RecordedPopulation, int, int], seed: int
) -> None:
    population, user_folds, group_folds = grid
    folds = cross_validation_folds(population, user_folds=user_folds, group_folds=group_folds, seed=seed)
    assert [fold.index for fold in folds] == list(range(user_folds * group_folds))
    tested: Counter[RecordedPair] = Counter()
    for fold in folds:
        testing = fold.testing(population).recorded_pairs()
        training = fold.training(population).recorded_pairs()
        own = fold.own_training(population).recorded_pairs()
        tested.update(testing)
        users, groups = {entry.user_id for entry in testing}, {entry.group for entry in testing}
        assert users.isdisjoint(entry.user_id for entry in training)
        assert groups.isdisjoint(entry.group for entry in training)
        assert groups.isdisjoint(entry.group for entry in own)
        assert not fold.test_users & fold.train_users
        assert fold.test_users | fold.train_users == set(population.user_ids)
        # Nothing that may train is wasted.
        assert len(training) == sum(
            entry.user_id in fold.train_users and entry.group in fold.train_groups
            for entry in population.recorded_pairs()
        )
    assert tested == Counter(population.recorded_pairs())


@given(grids(), st.integers(0, 100))
def test_folds_are_balanced_to_one_user_or_group(grid: tuple[RecordedPopulation, int, int], seed: int) -> None:
    population, user_folds, group_folds = grid
    folds = cross_validation_folds(population, user_folds=user_folds, group_folds=group_folds, seed=seed)
    by_user = Counter(entry.user_id for entry in population.recorded_pairs())
    by_group = Counter(entry.group for entry in population.recorded_pairs())
    user_loads = [sum(by_user[user] for user in users) for users in {fold.test_users for fold in folds}]
    group_loads = [sum(by_group[group] for group in groups) for groups in {fold.test_groups for fold in folds}]
    assert max(user_loads) - min(user_loads) <= max(by_user.values())
    assert max(group_loads) - min(group_loads) <= max(by_group.values())


@given(grids(), st.integers(0, 100))
def test_the_diagonal_is_part_of_the_grid(grid: tuple[RecordedPopulation, int, int], seed: int) -> None:
    population, user_folds, group_folds = grid
    size = min(user_folds, group_folds)
    whole = cross_validation_folds(population, user_folds=size, group_folds=size, seed=seed)
    diagonal = cross_validation_folds(population, user_folds=size, group_folds=size, seed=seed, cells="diagonal")
    assert [(f.test_users, f.test_groups) for f in diagonal] == [
        (f.test_users, f.test_groups) for f in whole if f.user_fold == f.group_fold
    ]


def test_the_seed_decides_and_nothing_else_does() -> None:
    votes = [(user, group) for user in range(8) for group in range(6)]
    population = made(votes, idle=4)
    assert cross_validation_folds(population, seed=1) == cross_validation_folds(made(votes, idle=4), seed=1)
    assert cross_validation_folds(population, seed=1) != cross_validation_folds(population, seed=2)


def test_users_without_votes_are_spread_over_the_folds() -> None:
    population = made([(user, group) for user in range(3) for group in range(3)], idle=6)
    folds = cross_validation_folds(population, seed=0)
    assert sorted(len(users) for users in {fold.test_users for fold in folds}) == [3, 3, 3]


def test_impossible_grids_are_refused() -> None:
    population = made([(0, 0), (1, 1), (2, 1)])
    with pytest.raises(ValueError, match="folds of users"):
        cross_validation_folds(population, user_folds=1, group_folds=2, seed=0)
    with pytest.raises(ValueError, match="folds of groups"):
        cross_validation_folds(population, user_folds=3, group_folds=3, seed=0)
    with pytest.raises(ValueError, match="diagonal"):
        cross_validation_folds(population, user_folds=3, group_folds=2, seed=0, cells="diagonal")
