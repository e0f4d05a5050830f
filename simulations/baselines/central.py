"""Centralised, non-private training by TRL: `DPOTrainer` on pairs of everyone, `SFTTrainer` on what they chose.

It is the ceiling that privacy and federation are measured from, and so it is TRL's own trainer, with its optimizer, its
batches and its schedule, on the same base model, adapter and tokens. Needs the extra `tacit[bench]`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from datasets import Dataset, disable_progress_bars  # type: ignore[import-untyped]
from numpy.typing import NDArray
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from client.packing import EncodedPair, encode_pair
from client.training import TrainingConfig
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair

Objective = Literal["dpo", "sft"]
_REFERENCE = "ref"
_UNSCORED = -100  # a label that transformers leaves out of the loss


@dataclass(frozen=True, kw_only=True)
class CentralTraining:
    """Attributes:
    objective: "dpo" on pairs with `nll_weight` times the loss of the chosen reply, as devices have it; or "sft".
    learning_rate: the largest, of AdamW with TRL's linear schedule.
    epochs, batch_size: over all pairs, in pairs.
    beta, nll_weight: of the loss.
    seed: of the order.
    """

    objective: Objective = "dpo"
    learning_rate: float = 1e-3
    epochs: int = 1
    batch_size: int = 16
    beta: float = 0.1
    nll_weight: float = 2.0
    seed: int = 0


class _ReadyPairs(DPOTrainer):  # type: ignore[misc]
    """Takes token ids, which its parent would make itself, of text."""

    def _prepare_dataset(self, dataset: Dataset, *_how: object) -> Dataset:
        return dataset


class _Told(TrainerCallback):  # type: ignore[misc]
    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress

    def on_step_end(self, _arguments: object, state: Any, _control: object, **_more: object) -> None:
        self._progress(int(state.global_step), int(state.max_steps))


def train_centrally(
    adapted: AdaptedModel,
    pairs: Sequence[PreferencePair],
    how: CentralTraining,
    *,
    limits: TrainingConfig,
    progress: Callable[[int, int], None] = lambda _done, _steps: None,
) -> NDArray[np.float32]:
    """Trains the whole adapter from its beginning, in place.

    Args:
        adapted: with a method that trains and shares A and B ("fedit").
        pairs: of everyone, each with its persona.
        limits: how long prompts and completions may be.
        progress: told (steps done, steps in all).

    Returns:
        (d,) the adapter.
    """
    adapted.load(adapted.beginning())
    encoded = [
        encode_pair(
            adapted.language_model,
            pair,
            max_prompt_tokens=limits.max_prompt_tokens,
            max_completion_tokens=limits.max_completion_tokens,
        )
        for pair in pairs
    ]
    disable_progress_bars()
    with tempfile.TemporaryDirectory(prefix="tacit-central-") as place:  # nothing is saved
        common: dict[str, Any] = {
            "output_dir": place,
            "learning_rate": how.learning_rate,
            "num_train_epochs": how.epochs,
            "per_device_train_batch_size": how.batch_size,
            "seed": how.seed,
            "use_cpu": adapted.language_model.model.device.type == "cpu",
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": [],
            "save_strategy": "no",
            "logging_strategy": "no",
            "max_length": None,
            "disable_tqdm": True,
        }
        trainer = _dpo(adapted, encoded, how, common) if how.objective == "dpo" else _sft(adapted, encoded, common)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_Told(progress))
        trainer.train()
    if _REFERENCE in adapted.peft_model.peft_config:  # TRL's copy of the adapter as it began
        adapted.peft_model.delete_adapter(_REFERENCE)
    adapted.language_model.model.eval()
    vector = adapted.read()
    adapted.load(vector)  # as anyone has it who was sent it
    return vector


def _dpo(
    adapted: AdaptedModel, encoded: Sequence[EncodedPair], how: CentralTraining, common: dict[str, Any]
) -> DPOTrainer:
    rows = [
        {"prompt_ids": list(pair.prompt), "chosen_ids": list(pair.chosen.ids), "rejected_ids": list(pair.rejected.ids)}
        for pair in encoded
    ]
    losses: dict[str, Any] = {"loss_type": ["sigmoid"]}
    if how.nll_weight:
        losses = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, how.nll_weight]}
    return _ReadyPairs(
        model=adapted.peft_model,
        args=DPOConfig(beta=how.beta, **losses, **common),
        train_dataset=Dataset.from_list(rows),
        processing_class=adapted.language_model.tokenizer,
    )


def _sft(adapted: AdaptedModel, encoded: Sequence[EncodedPair], common: dict[str, Any]) -> SFTTrainer:
    rows = [
        {
            "input_ids": [*pair.prompt, *pair.chosen.ids],
            "labels": [*[_UNSCORED] * len(pair.prompt), *pair.chosen.ids],
        }
        for pair in encoded
    ]
    return SFTTrainer(
        model=adapted.peft_model,
        args=SFTConfig(dataset_kwargs={"skip_prepare_dataset": True}, **common),
        train_dataset=Dataset.from_list(rows),
        processing_class=adapted.language_model.tokenizer,
    )
