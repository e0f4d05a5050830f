"""One device's answer to one request: train, clip, and reply.

The order of composition is written here and nowhere else: train (with the noise of pair-level privacy inside each step)
→ clip to the plan's norm → reply. Encoding, noise on the whole update and masking belong between the last two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from client.device import Device
from client.packing import encode_pair
from client.training import LocalUpdate, NoPairsError, PairCache, PairPrivacy, TrainingConfig, train_locally
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair
from shared.messages import PublicMetrics, TrainReply, TrainRequest
from shared.privacy.clipping import clip_to_norm, l2_norm
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan


def training_config(plan: FederationPlan) -> TrainingConfig:
    """Local training as the plan has it."""
    private = plan.pair_privacy
    return TrainingConfig(
        **asdict(plan.training), pair_privacy=PairPrivacy(**asdict(private)) if private is not None else None
    )


def answer(
    request: TrainRequest, *, device: Device, adapted: AdaptedModel, cache: PairCache | None = None
) -> TrainReply:
    """The reply to a request whose plan and model have been checked.

    In a private run every number drawn comes from the device's key and the digest of the whole request: an identical
    request is answered with identical bytes, and any other with fresh noise. A device without pairs then replies with
    an update of noise alone, and a pair that cannot be tokenised counts as zero: whether it replies shows neither.

    Raises:
        DeviceError, TrainingError, NonFiniteUpdateError: see there; the caller turns them into codes.
    """
    config = training_config(request.plan)
    private = config.pair_privacy is not None
    pairs: Sequence[PreferencePair] = device.pairs()
    digest = request.digest()
    if private:
        pairs = [pair for pair in pairs if _can_be_encoded(adapted, pair, config)]
        noise = AesCtrNoise.for_release(device.noise_key(), bytes.fromhex(digest))
    else:
        noise = AesCtrNoise(bytes(32))  # not touched without pair_privacy
        if len(pairs) > config.max_pairs:
            # Which pairs are drawn changes by the round, and with it what shares a pass: a resumed run, which starts
            # with an empty cache, would differ in the last bits.
            cache = None
    try:
        update = train_locally(
            adapted, request.vector, pairs, config, noise=noise, seed=request.training_seed, cache=cache
        )
    except NoPairsError:
        return TrainReply(status="no-pairs", request_digest=digest)
    clipped = clip_to_norm(update.vector, request.plan.clipping_norm)
    return TrainReply(
        status="trained", request_digest=digest, vector=clipped, metrics=None if private else _metrics(update)
    )


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


def _can_be_encoded(adapted: AdaptedModel, pair: PreferencePair, config: TrainingConfig) -> bool:
    try:
        encode_pair(
            adapted.language_model,
            pair,
            max_prompt_tokens=config.max_prompt_tokens,
            max_completion_tokens=config.max_completion_tokens,
        )
    except ValueError:
        return False
    return True
