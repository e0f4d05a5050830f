"""How the light follow-up classifier's weights are made: from what, with which weight, and how they are calibrated.

The packaged weights need no data but what comes with the project:

    train_light_classifier().save(client.followups.light.WEIGHTS_FILE)

1. the embedded world's training phrases: feedback, praise, questions back, asides, questions about seen topics;
2. sentences written for this (`followup_labels/seed_sentences.toml`), in four languages, alone and several in a row.

`train_light_classifier(labelled)` adds RealHumanEval's labelled follow-ups of the training users (`split_by_user`).
That is not what is packaged: of those users' follow-ups it tells 74 % (predicted across folds of users) against 72 %
without, a difference that chance would give too, and its re-attempts are less often right (73 % against 79 %). No
held-out phrase of the embedded world and no test user is learnt from either way.

A multinomial logistic regression with an L2 penalty, by L-BFGS in float64 on the CPU. Every kind counts as equally
likely before a word is read. RealHumanEval's programmers hardly ever thank, so in training their logits are given the
shares of the kinds among them (Menon et al., "Long-tail learning via logit adjustment", 2021, arXiv:2007.07314). The
logits are then divided by a temperature that is fitted on predictions by models that had not seen the example, so that
the confidence is a frequency (Guo et al., "On calibration of modern neural networks", 2017, arXiv:1706.04599).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag, log_softmax

from client.followups import FollowUp, FollowUpKind
from client.followups.features import BUCKETS, RELATION_COUNT, Features, follow_up_features
from client.followups.light import KINDS, LightWeights
from shared.conversation import Message
from simulations.evaluation.followup_labels import LabelledFollowUp, SeedFollowUp, seed_follow_ups, split_by_user
from simulations.population.embedded.followups import FEEDBACK, OTHER
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.style import assistant_style
from simulations.population.embedded.topics import ask, topics

RECIPE_VERSION = 1

Source = Literal["embedded", "seeds", "realhumaneval"]

# Each source's total weight. Within embedded and seeds every kind weighs the same; RealHumanEval keeps its own shares.
SOURCE_WEIGHTS: dict[Source, float] = {"embedded": 1.0, "seeds": 2.0, "realhumaneval": 2.0}
PENALTY = 5e-5  # of half the squared L2 norm of all weights, against the mean loss
FOLDS = 5
_COMBINED = 600  # messages of several of the written sentences
_BLOCKS = 10  # of written sentences, each whole in one fold
_QUESTIONS = 120  # new requests of the embedded world
_STEPS = 200
# `followup_labels/GUIDELINE.md`: of several kinds in one message the first counts.
_PRECEDENCE: tuple[FollowUpKind, ...] = (
    FollowUpKind.REATTEMPT,
    FollowUpKind.CLARIFICATION,
    FollowUpKind.NEW_REQUEST,
    FollowUpKind.POSITIVE,
    FollowUpKind.UNRELATED,
)


@dataclass(frozen=True, kw_only=True)
class TrainingExample:
    """Attributes:
    source: where it is from.
    group: examples of one group (a sentence, a user) stay on one side of a split.
    followup, kind: what is learnt.
    """

    source: Source
    group: str
    followup: FollowUp
    kind: FollowUpKind


@dataclass(frozen=True, kw_only=True, eq=False)
class _Design:
    """Attributes:
    indices: (n-grams of all rows,) int64; offsets: (rows,) where each row begins; values: (n-grams of all rows,).
    relations: (rows, RELATION_COUNT); kinds: (rows,) int64; weights: (rows,), summing to 1.
    shares: (rows, 5) log-odds of the kinds in the row's source, against equal shares.
    """

    indices: Tensor
    offsets: Tensor
    values: Tensor
    relations: Tensor
    kinds: Tensor
    weights: Tensor
    shares: Tensor

    def logits(self, hashed: Tensor, relations: Tensor) -> Tensor:
        """(rows, 5) for weights (buckets, 5) and (RELATION_COUNT, 5)."""
        sums = embedding_bag(self.indices, hashed, self.offsets, mode="sum", per_sample_weights=self.values)
        return sums + self.relations @ relations

    def loss(self, logits: Tensor) -> Tensor:
        """The weighted mean negative log-probability, nats, given how common each kind is in the row's source."""
        chosen = log_softmax(logits + self.shares, dim=1).gather(1, self.kinds[:, None])[:, 0]
        return -(chosen * self.weights).sum()


def train_light_classifier(realhumaneval: Sequence[LabelledFollowUp] = (), *, seed: int = 0) -> LightWeights:
    """The packaged recipe, and what it becomes with real follow-ups.

    Args:
        realhumaneval: all labelled follow-ups; only those of training users are used. Empty for the packaged weights.
        seed: of contexts and folds; the split by user has its own.
    """
    training = split_by_user(realhumaneval)[0] if realhumaneval else ()
    examples = (
        *embedded_examples(seed=seed),
        *seed_examples(seed=seed),
        *combined_seed_examples(seed=seed),
        *labelled_examples(training),
    )
    sources = "+".join(source for source in SOURCE_WEIGHTS if any(one.source == source for one in examples))
    return fit_light_weights(examples, seed=seed, recipe=f"followup_training {RECIPE_VERSION} {sources} seed {seed}")


def embedded_examples(*, contexts: int = 2, seed: int = 0) -> tuple[TrainingExample, ...]:
    """The embedded world's training phrases, each after `contexts` exchanges on seen topics."""
    rng = Random(f"tacit follow-up training {seed}")
    phrases = [(phrase, FollowUpKind.REATTEMPT) for said in FEEDBACK.values() for phrase in said]
    phrases += [(phrase, kind) for kind, said in OTHER.items() for phrase in said]
    phrases += [(ask(rng.choice(topics(held_out=False)), rng), FollowUpKind.NEW_REQUEST) for _ in range(_QUESTIONS)]
    found = []
    for phrase, kind in phrases:
        for _ in range(contexts):
            topic = rng.choice(topics(held_out=False))
            turns = (
                Message(role="user", content=ask(topic, rng)),
                Message(role="assistant", content=word_reply(plan_reply(topic, rng), assistant_style(rng))),
            )
            followup = FollowUp(conversation=turns, text=phrase)
            found.append(TrainingExample(source="embedded", group=phrase, followup=followup, kind=kind))
    return tuple(found)


def seed_examples(*, contexts: int = 2, seed: int = 0) -> tuple[TrainingExample, ...]:
    """The sentences written for training."""
    return tuple(
        TrainingExample(source="seeds", group=_block(one), followup=one.followup, kind=one.kind)
        for one in seed_follow_ups(contexts=contexts, seed=seed)
    )


def combined_seed_examples(*, messages: int = _COMBINED, seed: int = 0) -> tuple[TrainingExample, ...]:
    """Messages of two to four of those sentences, after one exchange: of one kind or of several, which `_PRECEDENCE`
    decides. Its sentences are of one block, which is its group: a split parts no message from its sentences."""
    rng = Random(f"tacit combined follow-ups {seed}")
    choices: dict[tuple[str, str, FollowUpKind], list[SeedFollowUp]] = {}
    for one in seed_follow_ups(contexts=1, seed=seed):
        choices.setdefault((one.language, _block(one), one.kind), []).append(one)
    languages = sorted({language for language, _, _ in choices})
    found = []
    for index in range(messages):
        kind = KINDS[index % len(KINDS)]
        language = rng.choice(languages) if rng.random() < 0.2 else "en"
        kinds = [kind] * rng.randint(1, 3) + [kind if rng.random() < 0.6 else rng.choice(_giving_way(kind))]
        rng.shuffle(kinds)
        block = rng.choice([str(number) for number in range(_BLOCKS)])
        if any((language, block, part) not in choices for part in kinds):
            language = "en"
        parts = [rng.choice(choices[language, block, part]) for part in kinds]
        context = parts[kinds.index(kind)].followup.conversation
        followup = FollowUp(conversation=context, text=" ".join(part.followup.text for part in parts))
        found.append(TrainingExample(source="seeds", group=block, followup=followup, kind=kind))
    return tuple(found)


def _block(one: SeedFollowUp) -> str:
    return str(one.sentence % _BLOCKS)


def _giving_way(kind: FollowUpKind) -> tuple[FollowUpKind, ...]:
    """The kinds that give way to `kind` where both are in one message, and `kind` itself."""
    return _PRECEDENCE[_PRECEDENCE.index(kind) :]


def labelled_examples(labelled: Sequence[LabelledFollowUp]) -> tuple[TrainingExample, ...]:
    """Labelled follow-ups of real users."""
    return tuple(
        TrainingExample(source="realhumaneval", group=str(one.user_id), followup=one.followup, kind=one.kind)
        for one in labelled
    )


def fit_light_weights(
    examples: Sequence[TrainingExample],
    *,
    recipe: str,
    buckets: int = BUCKETS,
    penalty: float = PENALTY,
    folds: int = FOLDS,
    seed: int = 0,
) -> LightWeights:
    """Fits and calibrates; the same arguments give the same weights on one machine, up to rounding on any.

    Raises:
        ValueError: no examples, or fewer than two groups.
    """
    rows = [follow_up_features(one.followup, buckets=buckets) for one in examples]
    hashed, relations = _fit(_design(examples, rows), buckets, penalty)
    logits = _held_out_logits(examples, rows, buckets=buckets, penalty=penalty, folds=folds, seed=seed)
    temperature = _temperature(_design(examples, rows), logits)
    return LightWeights(
        hashed=(hashed / temperature).numpy().astype(np.float32),
        relations=(relations / temperature).numpy().astype(np.float32),
        recipe=recipe,
    )


def held_out_logits(
    examples: Sequence[TrainingExample],
    *,
    buckets: int = BUCKETS,
    penalty: float = PENALTY,
    folds: int = FOLDS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """(examples, 5) uncalibrated logits, each by a model that saw no example of the same source and group.

    Raises:
        ValueError: fewer than two groups.
    """
    rows = [follow_up_features(one.followup, buckets=buckets) for one in examples]
    logits: NDArray[np.float64] = _held_out_logits(
        examples, rows, buckets=buckets, penalty=penalty, folds=folds, seed=seed
    ).numpy()
    return logits


def _held_out_logits(
    examples: Sequence[TrainingExample],
    rows: Sequence[Features],
    *,
    buckets: int,
    penalty: float,
    folds: int,
    seed: int,
) -> Tensor:
    groups = sorted({(one.source, one.group) for one in examples})
    if len(groups) < 2:
        raise ValueError("cross-fitting needs at least two groups of examples")
    Random(f"tacit follow-up folds {seed}").shuffle(groups)
    fold_of = {group: place % folds for place, group in enumerate(groups)}
    found = torch.zeros(len(examples), len(KINDS), dtype=torch.float64)
    for fold in range(min(folds, len(groups))):
        inside = [place for place, one in enumerate(examples) if fold_of[one.source, one.group] == fold]
        outside = [place for place, one in enumerate(examples) if fold_of[one.source, one.group] != fold]
        seen, unseen = (
            _design([examples[place] for place in places], [rows[place] for place in places])
            for places in (outside, inside)
        )
        hashed, relations = _fit(seen, buckets, penalty)
        found[inside] = unseen.logits(hashed, relations)
    return found


def _design(examples: Sequence[TrainingExample], rows: Sequence[Features]) -> _Design:
    if not examples:
        raise ValueError("there is nothing to learn from")
    starts = np.cumsum([0, *(len(row.buckets) for row in rows[:-1])])
    return _Design(
        indices=torch.from_numpy(np.concatenate([row.buckets for row in rows])),
        offsets=torch.from_numpy(starts),
        values=torch.from_numpy(np.concatenate([row.values for row in rows])),
        relations=torch.from_numpy(np.stack([row.relations for row in rows])),
        kinds=torch.tensor([KINDS.index(one.kind) for one in examples]),
        weights=torch.tensor(_example_weights(examples), dtype=torch.float64),
        shares=_log_shares(examples),
    )


def _example_weights(examples: Sequence[TrainingExample]) -> list[float]:
    sources = Counter(one.source for one in examples)
    cells = Counter((one.source, one.kind) for one in examples)
    kinds = Counter(source for source, _ in cells)
    shares = [
        SOURCE_WEIGHTS[one.source]
        * (
            1 / sources[one.source]
            if one.source == "realhumaneval"
            else 1 / cells[one.source, one.kind] / kinds[one.source]
        )
        for one in examples
    ]
    return [share / sum(shares) for share in shares]


def _log_shares(examples: Sequence[TrainingExample]) -> Tensor:
    """(examples, 5); 0 for the written sources. One more of each real kind is counted, so that none is impossible."""
    counts = Counter(one.kind for one in examples if one.source == "realhumaneval")
    shares = torch.tensor([counts[kind] + 1.0 for kind in KINDS], dtype=torch.float64)
    logs = torch.log(shares / shares.mean())
    real = torch.tensor([one.source == "realhumaneval" for one in examples])
    return torch.where(real[:, None], logs, torch.zeros_like(logs))


def _fit(design: _Design, buckets: int, penalty: float) -> tuple[Tensor, Tensor]:
    hashed = torch.zeros(buckets, len(KINDS), dtype=torch.float64, requires_grad=True)
    relations = torch.zeros(RELATION_COUNT, len(KINDS), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [hashed, relations],
        max_iter=_STEPS,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = design.loss(design.logits(hashed, relations))
        total = loss + penalty / 2 * (hashed.square().sum() + relations.square().sum())
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return hashed.detach(), relations.detach()


def _temperature(design: _Design, logits: Tensor) -> float:
    candidates = np.geomspace(0.1, 10.0, 201)
    losses = [float(design.loss(logits / temperature)) for temperature in candidates]
    return float(candidates[int(np.argmin(losses))])
