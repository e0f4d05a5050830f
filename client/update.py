"""One device's answer to one request: train, clip, and reply.

The order of composition is written here and nowhere else: train (with the noise of pair-level privacy inside each step)
→ clip to the plan's norm → reply; or, where aggregation is secure, → encode with a share of the noise and keep until it
is masked (`client.secure_aggregation`, `shared.secagg.sum_encoding`), and reply with the session's public keys.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from client.device import Device, DeviceError
from client.online_rewards import refresh_reward_pairs
from client.packing import EncodedPair, encode_pair
from client.training import (
    LocalUpdate,
    ModelPasses,
    NoPairsError,
    PairCache,
    PairPrivacy,
    TrainingConfig,
    train_locally,
)
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair
from shared.messages import PublicMetrics, TrainReply, TrainRequest
from shared.privacy.clipping import clip_to_norm, l2_norm
from shared.privacy.noise import AesCtrNoise, NoiseSource
from shared.round_plan import FederationPlan

_LOG = logging.getLogger(__name__)


def training_config(plan: FederationPlan) -> TrainingConfig:
    """Local training as the plan has it."""
    private = plan.pair_privacy
    terms = asdict(plan.training)
    del terms["online_candidates"]
    return TrainingConfig(**terms, pair_privacy=PairPrivacy(**asdict(private)) if private is not None else None)


def answer(
    request: TrainRequest,
    *,
    device: Device,
    adapted: AdaptedModel,
    cache: PairCache | None = None,
    passes: ModelPasses | None = None,
) -> TrainReply:
    """The reply to a request whose plan and model have been checked.

    In a private run whether and how a device replies shows nothing of its data: pairs that cannot be read, tokenised or
    trained on count as absent, and without any the update is noise alone, or zero where the noise is added to the sum.

    Args:
        passes: see `train_locally`.

    Raises:
        DeviceError, TrainingError, NonFiniteUpdateError: see there; the caller turns them into codes.
    """
    config = training_config(request.plan)
    digest = request.digest()
    if request.plan.is_private:
        vector = (
            _train_with_private_pairs(request, config, device, adapted, cache)
            if config.pair_privacy is not None
            else _train_as_one_of_many(request, config, device, adapted, cache, passes)
        )
        return private_reply(request, vector, device=device)
    pairs = _made_anew(request, adapted, _pairs_of(device, cache))
    if request.plan.training.online_candidates:
        cache = None  # no pair comes twice
    if len(pairs) > config.max_pairs:
        # Which pairs are drawn changes by the round, and with it what shares a pass: a resumed run, which starts with
        # an empty cache, would differ in the last bits.
        cache = None
    not_drawn = AesCtrNoise(bytes(32))
    try:
        update = _train(
            request,
            device,
            adapted,
            pairs,
            config,
            noise=not_drawn,
            seed=request.training_seed,
            cache=cache,
            passes=passes,
        )
    except NoPairsError:
        return TrainReply(status="no-pairs", request_digest=digest)
    clipped = clip_to_norm(update.vector, request.plan.clipping_norm)
    return TrainReply(status="trained", request_digest=digest, vector=clipped, metrics=_metrics(update))


def private_reply(request: TrainRequest, vector: NDArray[np.float32], *, device: Device) -> TrainReply:
    """What of a private run's update leaves the device, whatever made it: clipped, and where aggregation is secure
    only its session's keys.

    Args:
        vector: (d,) the update, not clipped.

    Raises:
        NonFiniteUpdateError, DeclinedError: see there.
    """
    digest = request.digest()
    clipped = clip_to_norm(vector, request.plan.clipping_norm)
    if request.plan.secure_aggregation is not None:
        keys = device.sessions().enter(request, clipped)
        return TrainReply(status="trained", request_digest=digest, keys=keys)
    return TrainReply(status="trained", request_digest=digest, vector=clipped)


def _train(
    request: TrainRequest,
    device: Device,
    adapted: AdaptedModel,
    pairs: Sequence[PreferencePair],
    config: TrainingConfig,
    *,
    noise: NoiseSource,
    seed: int,
    cache: PairCache | None,
    passes: ModelPasses | None = None,
) -> LocalUpdate:
    """Trains from the request's state, in its round, with the device's rank; what is personal is kept here."""
    keeps = bool(adapted.spec.config.federation.personal)
    before = device.personal().begin(request) if keeps else None
    update = train_locally(
        adapted,
        request.vector,
        pairs,
        config,
        noise=noise,
        seed=seed,
        cache=cache,
        round_number=request.round_number,
        rank=adapted.spec.config.rank_of(request.device),
        personal=before,
        passes=passes,
    )
    if keeps:
        device.personal().keep(request, update.personal)
    return update


def _train_as_one_of_many(
    request: TrainRequest,
    config: TrainingConfig,
    device: Device,
    adapted: AdaptedModel,
    cache: PairCache | None,
    passes: ModelPasses | None,
) -> NDArray[np.float32]:
    """The update of a run that protects users in their cohort's sum: zero where there is nothing to say.

    That is what the relation zero-out means: whether a device has pairs, or pairs that can be trained on, is part of
    its content, and must not show in its reply.
    """
    usable = _usable_pairs(request, device, adapted, config, cache)
    nothing = np.zeros(adapted.spec.update_dimension(request.round_number), dtype=np.float32)
    if not usable:
        return nothing
    pairs = [pair for pair, _ in usable]
    seed = int(request.digest()[:12], 16)
    try:
        noise = AesCtrNoise(bytes(32))
        return _train(
            request, device, adapted, pairs, config, noise=noise, seed=seed, cache=cache, passes=passes
        ).vector
    except Exception as error:
        _LOG.warning("training on this device's pairs failed (%s): it replies with zeros", type(error).__name__)
        return nothing


def _train_with_private_pairs(
    request: TrainRequest, config: TrainingConfig, device: Device, adapted: AdaptedModel, cache: PairCache | None
) -> NDArray[np.float32]:
    usable = _usable_pairs(request, device, adapted, config, cache)
    try:
        return _train_with_noise(request, config, device, adapted, usable, cache).vector
    except Exception as error:
        if not usable:
            raise  # not about the pairs, so it may be told
        _LOG.warning("training on this device's pairs failed (%s): it replies with noise alone", type(error).__name__)
        return _train_with_noise(request, config, device, adapted, (), cache).vector


def _train_with_noise(
    request: TrainRequest,
    config: TrainingConfig,
    device: Device,
    adapted: AdaptedModel,
    usable: Sequence[tuple[PreferencePair, EncodedPair]],
    cache: PairCache | None,
) -> LocalUpdate:
    """Every number drawn comes from the device's key, the whole request and the tokens that are trained on.

    The same request over the same pairs is answered with the same bytes. Over other pairs it must not be answered with
    the same noise: the difference of the two replies would be the pairs'.
    """
    release = bytes.fromhex(request.digest()) + _digest([encoded for _, encoded in usable])
    return _train(
        request,
        device,
        adapted,
        [pair for pair, _ in usable],
        config,
        noise=AesCtrNoise.for_release(device.noise_key(), release),
        seed=request.training_seed,
        cache=cache,
    )


def _made_anew(
    request: TrainRequest, adapted: AdaptedModel, pairs: Sequence[PreferencePair]
) -> Sequence[PreferencePair]:
    """With the reward pairs made by the round's adapter, where the plan asks for that."""
    terms = request.plan.training
    if terms.online_candidates == 0:
        return pairs
    adapted.load(request.vector)
    return refresh_reward_pairs(
        adapted,
        pairs,
        candidates=terms.online_candidates,
        max_new_tokens=min(terms.max_completion_tokens, adapted.language_model.context_length // 2),
        # From the whole request: the same request makes the same pairs.
        seed=int(request.digest()[:12], 16),
    )


def _pairs_of(device: Device, cache: PairCache | None) -> Sequence[PreferencePair]:
    """The device's pairs; what is remembered of others is dropped. Raises: DeviceError."""
    pairs = device.pairs()
    if cache is not None:
        cache.keep_only(pairs)
    return pairs


def _usable_pairs(
    request: TrainRequest,
    device: Device,
    adapted: AdaptedModel,
    config: TrainingConfig,
    cache: PairCache | None,
) -> tuple[tuple[PreferencePair, EncodedPair], ...]:
    try:
        pairs = _pairs_of(device, cache)
    except Exception as error:  # whatever it is, it is about the pairs
        said = str(error) if isinstance(error, DeviceError) else type(error).__name__
        _LOG.warning("%s: this device replies as one without pairs", said)
        return ()
    if config.pair_privacy is not None:
        pairs = _places_of_a_round(request, device, pairs, config.max_pairs)
    usable: list[tuple[PreferencePair, EncodedPair]] = []
    for pair in pairs:
        try:
            usable += [
                (
                    fresh,
                    encode_pair(
                        adapted.language_model,
                        fresh,
                        max_prompt_tokens=config.max_prompt_tokens,
                        max_completion_tokens=config.max_completion_tokens,
                    ),
                )
                for fresh in _made_anew(request, adapted, [pair])
            ]
        except Exception as error:  # whatever it is, it is about this pair
            _LOG.warning("a pair is left out (%s)", type(error).__name__)
    return tuple(usable)


def _places_of_a_round(
    request: TrainRequest, device: Device, pairs: Sequence[PreferencePair], most: int
) -> Sequence[PreferencePair]:
    """At most `most` pairs, chosen by their place in the list alone.

    With one pair's content replaced by nothing the same places are chosen: the unit stays one pair. A choice by content
    or quality would let one pair decide about another.
    """
    if len(pairs) <= most:
        return pairs
    source = AesCtrNoise.for_release(device.noise_key(), b"places/" + bytes.fromhex(request.digest()))
    chosen = np.argsort(source.uniform(len(pairs)))[:most]
    return [pairs[int(place)] for place in np.sort(chosen)]


def _digest(pairs: Sequence[EncodedPair]) -> bytes:
    said = [
        [pair.prompt, pair.chosen.ids, pair.chosen.scored, pair.rejected.ids, pair.rejected.scored] for pair in pairs
    ]
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _metrics(update: LocalUpdate) -> PublicMetrics:
    return PublicMetrics(
        loss=update.loss,
        accuracy=update.accuracy,
        pairs=update.pairs,
        update_norm=l2_norm(update.vector),
        forwards=update.forwards,
        tokens=update.tokens,
        seconds=update.seconds,
    )
