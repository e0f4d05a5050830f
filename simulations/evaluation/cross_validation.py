"""Split by user AND by question, so that every vote is tested by a federation that knew neither.

Users are dealt into U folds and groups (questions, tasks) into G folds. Fold (u, g) tests the votes of users in u about
groups in g, and trains on the votes of users NOT in u about groups NOT in g:

                 groups of g    other groups
    users of u   test           own training (local-only)
    others       unused         training (federation)

What this guarantees, for any votes:

- no user of a test vote has a vote in that fold's training, and no group of a test vote has one;
- over the U x G folds every vote is tested exactly once;
- the local-only baseline of a test user trains on that user's own votes, about groups that are not tested.

What it costs: each federation sees about (1 - 1/U)(1 - 1/G) of the votes, and U x G of them are trained: 9 on 44 % at
3 x 3. `cells="diagonal"` trains only the folds (k, k), a quick look that tests each vote at most once and about 1/U of
them. What it does not guarantee: two groups that share text, or two user ids that are one person, are the data's to
tell apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulations.population.recorded import RecordedPopulation

Cells = Literal["all", "diagonal"]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One cell: who and what is tested, and who and what trains.

    Attributes:
        index: from 0, over the folds there are.
        user_fold, group_fold: its place in the grid.
        test_users, train_users: disjoint, together all users.
        test_groups, train_groups: disjoint, together all groups.
    """

    index: int
    user_fold: int
    group_fold: int
    test_users: frozenset[str]
    train_users: frozenset[str]
    test_groups: frozenset[str]
    train_groups: frozenset[str]

    def training(self, population: RecordedPopulation) -> RecordedPopulation:
        """What the federation trains on. Training users without a vote about its groups stay as devices."""
        return population.subset(users=self.train_users, groups=self.train_groups)

    def testing(self, population: RecordedPopulation) -> RecordedPopulation:
        """What it is tested on."""
        return population.subset(users=self.test_users, groups=self.test_groups)

    def own_training(self, population: RecordedPopulation) -> RecordedPopulation:
        """What each test user has of their own, for local-only training."""
        return population.subset(users=self.test_users, groups=self.train_groups)


def cross_validation_folds(
    population: RecordedPopulation,
    *,
    user_folds: int = 3,
    group_folds: int = 3,
    cells: Cells = "all",
    seed: int,
) -> tuple[Fold, ...]:
    """The folds, row after row of the grid; deterministic in the population's counts and `seed`.

    Balanced: dealt heaviest first to the fold with the fewest votes, so two folds of users (or of groups) differ by at
    most the votes of one user (or group). Among equals the seed decides.

    Raises:
        ValueError: fewer than 2 folds, more folds than users or groups, or `cells="diagonal"` on an oblong grid.
    """
    recorded = population.recorded_pairs()
    user_votes = Counter(dict.fromkeys(population.user_ids, 0))
    user_votes.update(entry.user_id for entry in recorded)
    group_votes = Counter(entry.group for entry in recorded)
    if cells == "diagonal" and user_folds != group_folds:
        raise ValueError("the diagonal needs as many user folds as group folds")
    generator = np.random.default_rng(seed)
    users = _deal("users", user_votes, user_folds, generator)
    groups = _deal("groups", group_votes, group_folds, generator)
    places = [(u, g) for u in range(user_folds) for g in range(group_folds) if cells == "all" or u == g]
    return tuple(
        Fold(
            index=index,
            user_fold=u,
            group_fold=g,
            test_users=users[u],
            train_users=frozenset(user_votes) - users[u],
            test_groups=groups[g],
            train_groups=frozenset(group_votes) - groups[g],
        )
        for index, (u, g) in enumerate(places)
    )


def _deal(
    what: str, votes: Mapping[str, int], folds: int, generator: np.random.Generator
) -> tuple[frozenset[str], ...]:
    if not 2 <= folds <= len(votes):
        raise ValueError(f"there must be at least 2 folds of {what} and at most one for each of {len(votes)}")
    names = sorted(votes)
    shuffled = [names[place] for place in generator.permutation(len(names))]
    dealt: list[list[str]] = [[] for _ in range(folds)]
    loads = [0] * folds
    for name in sorted(shuffled, key=lambda name: -votes[name]):
        # By size second, so that users without a vote are spread too.
        lightest = min(range(folds), key=lambda fold: (loads[fold], len(dealt[fold]), fold))
        dealt[lightest].append(name)
        loads[lightest] += votes[name]
    return tuple(frozenset(fold) for fold in dealt)
