"""A shadow run for pair-level canaries: devices that train, with DP-SGD, on one pair that is there or not.

Each device holds one canary pair with probability 1/2 and nothing else: an attacker is taken to know all other pairs of
a device, and would take them off. Training, clipping of the pair's gradient, noise, the update's own clipping and the
reply are the client's own code. The observer sees each device's update, as the claim has it (hiding in a cohort is not
counted), so the shadow aggregates plainly.

Two more devices are the attacker's own, one of which holds nothing and one a pair: how noise of theirs goes with a
device's, and one round's with another's, is seen from all the numbers of the updates, for each device by itself.

A canary's mark is the direction of its gradient at the beginning; its score is how far the update moved against that,
over the update's length. The server's steps, which are made of what was seen, are a millionth of the plan's: the marks
stay what they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from flwr.app import ConfigRecord
from flwr.app import Message as FlowerMessage
from numpy.typing import NDArray

from client.training import TrainingConfig, train_locally
from client.update import training_config
from server.adapter_step import AdapterStep
from server.cohorts import RandomCohorts
from server.exchange import exchange
from server.roster import call_roll
from server.strategies.adapter_averaging import AdapterAveraging
from shared.adapter import AdaptedModel
from shared.conversation import Message, PreferencePair
from shared.messages import TrainReply, from_array_record, to_array_record
from shared.plan_terms import ServerStepTerms
from shared.privacy.clipping import l2_norm
from shared.privacy.noise import SeededTestNoise
from shared.records import MessageError
from shared.round_plan import FederationPlan
from simulations.audits.user_shadow import NoShadowError, ShadowFailedError
from simulations.engines.devices import SimulatedDevices
from simulations.engines.inline import FIRST_NODE, InlineGrid, OpenClient

MOST_PARTICIPATIONS = 4  # of which all updates are held in memory
_ATTACKERS = 2
_ONE_IN = 4
_STEP = 1e-6
_WORDS = 12
# Of the canaries' gradients, nine in ten are so much longer than what they are clipped to.
_CLIPPED_BY = 2.0


@dataclass(frozen=True, kw_only=True)
class CanaryDevices:
    """A population: device i holds canary i, or nothing. The last two, with a pair and without, are the attacker's.

    Attributes:
        canaries: pairs.
        own: the attacker's pair.
        included: whether each is there.
        once: whether each is there in the first round only.
        round_number: which round it is, from 1: what a device holds may change between rounds.
    """

    canaries: Sequence[PreferencePair]
    included: Sequence[bool]
    once: Sequence[bool]
    own: PreferencePair
    round_number: list[int] = field(default_factory=lambda: [1])
    name: str = "canaries"

    def __len__(self) -> int:
        return len(self.canaries) + _ATTACKERS

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """One, or none."""
        if index >= len(self.canaries):
            return (self.own,) if index == len(self.canaries) else ()
        if not self.included[index]:
            return ()
        return () if self.once[index] and self.round_number[0] > 1 else (self.canaries[index],)


@dataclass(frozen=True, kw_only=True)
class PairShadow:
    """What was seen of a shadow run.

    Attributes:
        rounds: how many.
        seen: (canaries, p) scores of each canary's mark: in its device's updates, by round, then in the attacker's.
        noise: (canaries, p, p) the covariance of the same in all other directions.
        included, once: (canaries,) see `CanaryDevices`.
        gradient_over_clip: of the canaries, the tenth part with the smallest.
        plan: that was run.
    """

    rounds: int
    seen: NDArray[np.float64]
    noise: NDArray[np.float64]
    included: NDArray[np.bool_]
    once: NDArray[np.bool_]
    gradient_over_clip: float
    plan: FederationPlan


def canary_pairs(count: int, *, seed: int) -> tuple[PreferencePair, ...]:
    """Pairs of words in no order: nobody says such a thing, so that their gradients are long and unlike each other."""
    generator = np.random.default_rng(seed)
    return tuple(
        PreferencePair(
            prompt=(Message(role="user", content=_nonsense(generator)),),
            chosen=(Message(role="assistant", content=_nonsense(generator)),),
            rejected=(Message(role="assistant", content=_nonsense(generator)),),
            persona=None,
            origin="rewrite",
        )
        for _ in range(count)
    )


def run_pair_shadow(
    plan: FederationPlan,
    adapted: AdaptedModel,
    *,
    canaries: int,
    participations: int,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> PairShadow:
    """Runs a shadow to its end.

    Args:
        plan: whose pairs are private.
        adapted: the base model with a fresh adapter.
        participations: rounds, of which every device is in all.
        progress: called with the share that is done.

    Raises:
        NoShadowError: the plan protects no pair, or a canary has no gradient; ShadowFailedError: see there.
    """
    private = plan.pair_privacy
    if private is None:
        raise NoShadowError("the run promises its pairs nothing")
    generator = np.random.default_rng(seed)
    *pairs, own = canary_pairs(canaries + 1, seed=seed)
    population = CanaryDevices(
        canaries=pairs,
        included=[bool(coin) for coin in generator.random(canaries) < 0.5],
        once=[participations > 1 and index % _ONE_IN == _ONE_IN - 1 for index in range(canaries)],
        own=own,
    )
    vector, spec = adapted.beginning(), adapted.spec
    gradients = [_gradient(adapted, vector, pair, training_config(plan), 1) for pair in pairs]
    usual = float(np.quantile([l2_norm(gradient) for gradient in gradients], 0.1))
    if not all(gradient.any() for gradient in gradients):
        raise NoShadowError("a canary's gradient is zero")
    bound = min(private.max_grad_norm, usual / _CLIPPED_BY)
    shadow = replace(
        plan,
        devices=len(population),
        cohort_size=len(population),
        rounds=participations,
        sampling="random",
        attempts=1,
        minimum_replies=1,
        user_privacy=None,
        secure_aggregation=None,
        pair_privacy=replace(private, sample_rate=1.0, max_grad_norm=bound),
        step_terms=ServerStepTerms(),
        server_learning_rate=_STEP * plan.server_learning_rate,
    )
    devices = SimulatedDevices(population=population, secret=secrets.token_bytes(32))
    answered = [0]

    def count_answer() -> None:
        answered[0] += 1
        if progress is not None:
            progress(answered[0] / (participations * len(population)))

    grid = InlineGrid(OpenClient(open_device=devices), devices=len(population), answered=count_answer)
    roster = call_roll(grid, devices=len(population), timeout=plan.round_timeout)
    averaging = AdapterAveraging(
        plan=shadow,
        spec=spec,
        roster=roster,
        run=secrets.token_hex(16),
        cohorts=RandomCohorts(shadow),
        step=AdapterStep(shadow, spec),
        mechanisms=(None,),
    )
    config = training_config(shadow)
    marks = {(0, index): gradient / l2_norm(gradient) for index, gradient in enumerate(gradients)}
    kept = np.zeros((len(population), participations, spec.dimension), dtype=np.float32)
    for number in range(1, participations + 1):
        population.round_number[0] = number
        asked = ConfigRecord({"attempt": 1, "place": number - 1})
        messages = list(averaging.configure_train(number, to_array_record(vector), asked, grid))
        replies = [one for one in exchange(grid, messages, timeout=plan.round_timeout) if one is not None]
        updates = _updates(replies, dimension=spec.update_dimension(number))
        if len(updates) < len(population):
            raise ShadowFailedError(f"{len(population) - len(updates)} devices of the shadow run did not answer")
        for device, update in updates.items():
            kept[device, number - 1, : update.size] = update
        turn = (number - 1) % plan.adapter.federation.turns
        for index, pair in enumerate(pairs):
            if (turn, index) not in marks:
                mark = _gradient(adapted, vector, pair, config, number)
                marks[turn, index] = mark / l2_norm(mark)
        released, _ = averaging.aggregate_train(number, replies)
        if released is None:
            raise ShadowFailedError(f"round {number} of the shadow run came to nothing")
        vector = from_array_record(released, dimension=spec.state_dimension)
    turns = plan.adapter.federation.turns
    found = [
        _scored(kept, index, [marks[number % turns, index] for number in range(participations)])
        for index in range(canaries)
    ]
    return PairShadow(
        rounds=participations,
        seen=np.stack([seen for seen, _ in found]),
        noise=np.stack([noise for _, noise in found]),
        included=np.array(population.included),
        once=np.array(population.once),
        gradient_over_clip=usual / bound,
        plan=shadow,
    )


def _updates(replies: Sequence[FlowerMessage], *, dimension: int) -> Mapping[int, NDArray[np.float64]]:
    """By device, divided by its length: what is clipped after the noise says nothing by its length."""
    found: dict[int, NDArray[np.float64]] = {}
    for reply in replies:
        try:
            said = TrainReply.from_record(reply.content, dimension=dimension, private=True)
        except MessageError:
            continue
        if said.vector is not None:
            wide = said.vector.astype(np.float64)
            number = reply.metadata.src_node_id - FIRST_NODE
            found[number] = wide / max(l2_norm(wide), np.finfo(float).tiny)
    return found


def _gradient(
    adapted: AdaptedModel, start: NDArray[np.float32], pair: PreferencePair, config: TrainingConfig, round_number: int
) -> NDArray[np.float64]:
    """(d,) of one pair's loss: one plain step of length 1 goes along minus that."""
    plain = replace(config, pair_privacy=None, optimizer="sgd", learning_rate=1.0, local_steps=1, batch_size=None)
    update = train_locally(adapted, start, [pair], plain, noise=SeededTestNoise(0), seed=0, round_number=round_number)
    return -update.vector.astype(np.float64)


def _scored(
    kept: NDArray[np.float32], index: int, marks: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(p,) a canary's scores, and (p, p) the covariance of what is at right angles to its marks."""
    vectors: list[NDArray[np.float64]] = []
    seen: list[float] = []
    for device in (index, *range(len(kept) - _ATTACKERS, len(kept))):
        for update, mark in zip(kept[device], marks, strict=True):
            whole = update.astype(np.float64)
            score = float(mark @ whole[: mark.size])
            whole[: mark.size] -= score * mark
            vectors.append(whole)
            seen.append(-score)
    others = np.stack(vectors)
    return np.array(seen), others @ others.T / others.shape[1]


def _nonsense(generator: np.random.Generator) -> str:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    lengths = generator.integers(3, 9, size=_WORDS)
    return " ".join("".join(generator.choice(letters, size=length)) for length in lengths)
