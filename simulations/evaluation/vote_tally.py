"""Outcomes of votes under several methods, and what they come to."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from shared.conversation import Message
from simulations.evaluation.pair_scoring import PairFigures
from simulations.evaluation.statistics import Estimate, estimate_difference, estimate_mean, user_means, wins
from simulations.population.recorded import RecordedPair

Method = Literal[
    "federated",
    "federated_summed",
    "federated_per_token",
    "base_summed",
    "base_per_token",
    "local",
    "longer",
]
"""How a vote is foretold: `federated` and `local` by the adapter's implicit reward margin, `*_summed` and `*_per_token`
by log-probability, `longer` by characters of the assistant's text."""

METHODS: tuple[Method, ...] = get_args(Method)
_RIVALS: tuple[Method, ...] = ("base_summed", "base_per_token", "local", "longer")


class PairAccuracyError(ValueError):
    """There is nothing to measure, or a vote would be tested twice. The message holds no content."""


@dataclass(frozen=True, kw_only=True)
class UserAccuracy:
    """One user's figures, without their name: for the distribution over users."""

    votes: int
    accuracy: Mapping[Method, float]


@dataclass(frozen=True, kw_only=True)
class PairAccuracy:
    """What was measured.

    Attributes:
        accuracy: method → mean over votes with its interval over users. `local` is absent where it was not trained.
        differences: rival → `federated` minus the rival, paired.
        users: each tested user, in the order of their ids.
        votes: how many were tested.
        votes_left: of the population's votes, how many no fold tested.
        impersonal_ceiling: the most that any judge could reach who does not know whose vote it is: the majority's side
            on every comparison that several people made. 1 where each was made once.
        without_own_training: votes of users who had nothing to train `local` on, or whose training diverged; ties for
            `local`.
        prompts_cut, completions_cut, indistinguishable: votes, see `PairFigures`.
        folds: federations trained.
        seconds: wall time, training included.
    """

    accuracy: Mapping[Method, Estimate]
    differences: Mapping[Method, Estimate]
    users: tuple[UserAccuracy, ...]
    votes: int
    votes_left: int
    impersonal_ceiling: float
    without_own_training: int
    prompts_cut: int
    completions_cut: int
    indistinguishable: int
    folds: int
    seconds: float

    def to_json(self) -> dict[str, object]:
        """As `summary.json` keeps it: numbers only, no ids."""
        return {
            **asdict(self),
            "accuracy": {method: asdict(estimate) for method, estimate in self.accuracy.items()},
            "differences": {method: asdict(estimate) for method, estimate in self.differences.items()},
            # Not in the order of their ids, which a reader of the data could put beside them.
            "users": sorted(
                ({"votes": user.votes, "accuracy": dict(user.accuracy)} for user in self.users),
                key=lambda user: json.dumps(user, sort_keys=True),
            ),
        }


def assistant_characters(reply: Sequence[Message]) -> int:
    """How long a reply is: characters of what the assistant says in it, in code points."""
    return sum(len(message.content) for message in reply if message.role == "assistant")


def impersonal_ceiling(recorded: Sequence[RecordedPair]) -> float:
    """The best accuracy that a judge can reach who says the same to everyone: see `PairAccuracy`."""
    sides: dict[tuple[object, ...], Counter[object]] = defaultdict(Counter)
    for entry in recorded:
        pair = entry.pair
        compared = (pair.prompt, pair.persona, frozenset({pair.chosen, pair.rejected}))
        sides[compared][pair.chosen] += 1
    return sum(max(counts.values()) for counts in sides.values()) / len(recorded)


class VoteTally:
    """The votes tested so far. It holds pairs, so it shows none of them."""

    def __init__(self) -> None:
        self._recorded: list[RecordedPair] = []
        self._outcomes: dict[Method, list[NDArray[np.float64]]] = defaultdict(list)
        self._prompts_cut = self._completions_cut = self._indistinguishable = self._without_own = 0

    def __len__(self) -> int:
        return len(self._recorded)

    def __repr__(self) -> str:
        return f"VoteTally({len(self)} votes)"

    def add(
        self, recorded: Sequence[RecordedPair], figures: PairFigures, *, local: tuple[NDArray[np.float64], int] | None
    ) -> dict[Method, NDArray[np.float64]]:
        """Takes the figures of more votes; returns method → (n,) 1, ½ or 0.

        Args:
            recorded: (n,) the votes.
            figures: of the federated adapter and the base.
            local: (n,) margins of each vote under its own user's adapter, and how many votes had none; or None.
        """
        lengths = [
            assistant_characters(entry.pair.chosen) - assistant_characters(entry.pair.rejected) for entry in recorded
        ]
        margins: dict[Method, NDArray[np.float64]] = {
            "federated": figures.margin,
            "federated_summed": figures.tuned_summed,
            "federated_per_token": figures.tuned_per_token,
            "base_summed": figures.base_summed,
            "base_per_token": figures.base_per_token,
            "longer": np.array(lengths, dtype=np.float64),
        }
        if local is not None:
            margins["local"] = local[0]
            self._without_own += local[1]
        if any(values.shape != (len(recorded),) for values in margins.values()):
            raise PairAccuracyError("a scorer must give one figure a pair")
        outcome = {method: wins(margins[method]) for method in METHODS if method in margins}
        self._recorded.extend(recorded)
        for method, values in outcome.items():
            self._outcomes[method].append(values)
        self._prompts_cut += figures.prompts_cut
        self._completions_cut += figures.completions_cut
        self._indistinguishable += figures.indistinguishable
        return outcome

    def summary(
        self, *, left: int, folds: int, confidence: float, resamples: int, seed: int, seconds: float
    ) -> PairAccuracy:
        """Means, intervals and distributions over the votes so far."""
        outcomes = {method: np.concatenate(parts) for method, parts in self._outcomes.items()}
        users = [entry.user_id for entry in self._recorded]
        means = {method: user_means(values, users) for method, values in outcomes.items()}
        counts = Counter(users)
        return PairAccuracy(
            accuracy={
                method: estimate_mean(values, users, confidence=confidence, resamples=resamples, seed=seed)
                for method, values in outcomes.items()
            },
            differences={
                rival: estimate_difference(
                    outcomes["federated"],
                    outcomes[rival],
                    users,
                    confidence=confidence,
                    resamples=resamples,
                    seed=seed,
                )
                for rival in _RIVALS
                if rival in outcomes
            },
            users=tuple(
                UserAccuracy(votes=counts[user], accuracy={method: means[method][user] for method in outcomes})
                for user in sorted(counts)
            ),
            votes=len(self._recorded),
            votes_left=left,
            impersonal_ceiling=impersonal_ceiling(self._recorded),
            without_own_training=self._without_own,
            prompts_cut=self._prompts_cut,
            completions_cut=self._completions_cut,
            indistinguishable=self._indistinguishable,
            folds=folds,
            seconds=seconds,
        )
