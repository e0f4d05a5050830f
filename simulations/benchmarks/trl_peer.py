"""TRL's `DPOTrainer` as the peer that persona-DPO is checked and timed against (the extra `tacit[bench]`)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import torch
from datasets import Dataset, disable_progress_bars  # type: ignore[import-untyped]
from peft import LoraConfig
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from client.packing import EncodedPair
from shared.adapter_spec import AdapterConfig


def build_peer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    pairs: Sequence[EncodedPair],
    adapter: AdapterConfig,
    *,
    beta: float,
    learning_rate: float,
    cached: bool,
) -> tuple[DPOTrainer, list[dict[str, object]]]:
    """TRL's trainer with a LoRA adapter on the same modules, and the pairs as its collator takes them.

    Returns:
        `(trainer, rows)`: `trainer.training_step(trainer.model, trainer.data_collator(rows))` is its step.
    """
    rows: list[dict[str, object]] = [
        {"prompt_ids": list(pair.prompt), "chosen_ids": list(pair.chosen.ids), "rejected_ids": list(pair.rejected.ids)}
        for pair in pairs
    ]
    disable_progress_bars()
    # The trainer wants a data set of its own to begin with; the timed steps get token ids.
    text = [{"prompt": "w5 w6 ", "chosen": "w7", "rejected": "w8"} for _ in pairs]
    targets = adapter.target_modules
    trainer = DPOTrainer(
        model=model,
        args=DPOConfig(
            output_dir=tempfile.gettempdir(),
            beta=beta,
            learning_rate=learning_rate,
            per_device_train_batch_size=len(pairs),
            use_cpu=model.device.type == "cpu",
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            max_length=None,
            precompute_ref_log_probs=cached,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(text),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.alpha,
            lora_dropout=0.0,
            target_modules=targets if isinstance(targets, str) else list(targets),
            task_type="CAUSAL_LM",
        ),
    )
    trainer.current_gradient_accumulation_steps = 1  # what `train()` sets before its first step
    if cached:
        trainer.precompute_ref_logps = False
        with torch.no_grad():
            chosen, rejected = trainer.compute_ref_log_probs(trainer.model, trainer.data_collator(rows))
        trainer.precompute_ref_logps = True
        for index, row in enumerate(rows):
            row |= {"ref_chosen_logps": float(chosen[index]), "ref_rejected_logps": float(rejected[index])}
    return trainer, rows
