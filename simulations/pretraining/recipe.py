"""What determines tacit-tiny: sizes, steps, learning rate and mixture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from simulations.pretraining.examples import Mixture


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """What determines the weights, and two fields that do not (`checkpoint_every`, `threads` up to rounding).

    Attributes:
        steps, batch_size: optimizer steps, and conversations per step.
        learning_rate, warmup_steps, decay_share: AdamW's peak rate, linear warm-up, and the final share of the steps
            over which it falls linearly to 0.
        hidden_size, layers, heads, feed_forward: the Llama block.
        vocabulary_size, context_length: in tokens.
        bfloat16: autocast matrix products; the weights and the optimizer stay float32.
        threads: torch threads, or None for torch's own choice.
        checkpoint_every: steps between checkpoints.
    """

    seed: int = 0
    steps: int = 4000
    batch_size: int = 32
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    decay_share: float = 0.4
    weight_decay: float = 0.05
    hidden_size: int = 128
    layers: int = 5
    heads: int = 4
    feed_forward: int = 352
    vocabulary_size: int = 1536
    context_length: int = 1024
    mixture: Mixture = field(default_factory=Mixture)
    bfloat16: bool = True
    threads: int | None = None
    checkpoint_every: int = 200

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "hidden_size", "layers", "heads", "feed_forward", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive")

    def identity(self) -> str:
        """What a checkpoint must agree with to be resumed: all that determines the weights."""
        values = asdict(self)
        del values["checkpoint_every"], values["threads"]
        return json.dumps(values, sort_keys=True)


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Warm-up, plateau, linear decay to 0."""
    warm = min(1.0, (step + 1) / config.warmup_steps)
    left = (config.steps - step) / max(1.0, config.decay_share * config.steps)
    return config.learning_rate * min(warm, left, 1.0)
