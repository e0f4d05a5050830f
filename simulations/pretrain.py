"""Pretraining of tacit-tiny on the embedded world, from nothing, reproducible from a seed.

Everything (examples, tokenizer, weights, order) follows from `PretrainConfig`. Batches are made from (seed, block), so
a killed run resumes at its checkpoint with the batches it would have seen, and ends with the same weights on the same
machine and number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from client.prompts import PROMPTS_VERSION
from shared.language_model import ModelConfig, load_language_model
from simulations.pretraining.card import write_card
from simulations.pretraining.examples import make_example
from simulations.pretraining.measures import BaseMeasures, measure_base
from simulations.pretraining.progress import PretrainProgress
from simulations.pretraining.recipe import PretrainConfig, learning_rate
from simulations.pretraining.tokenizer import encode_scored, train_tokenizer

_BLOCK = 16  # batches made and sorted by length together
_TOKENIZER_TEXTS = 6000


class CheckpointMismatchError(ValueError):
    """The directory holds a checkpoint of a run with another configuration."""


def pretrain(
    config: PretrainConfig,
    out: Path,
    progress: Callable[[PretrainProgress], None] | None = None,
    *,
    stop_after: int | None = None,
    measured_users: int = 64,
) -> bool:
    """Trains tacit-tiny, writes a directory that AutoModelForCausalLM and AutoTokenizer load, and measures it.

    Resumes from `out`/checkpoint.pt when that is there. The model card states the figures of `measure_base`.

    Args:
        config: all that determines the model.
        out: directory to write; made if absent.
        progress: called after every step.
        stop_after: leave after this many steps of this call, with a checkpoint, as an interrupted run would.
        measured_users: how many simulated users, and three times as many cases of each task, to measure the model on.

    Returns:
        Whether the model is complete.

    Raises:
        CheckpointMismatchError: `out` holds a checkpoint of another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    tokenizer = make_tokenizer(config)
    model = make_model(config, tokenizer)
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
    )
    checkpoint = out / "checkpoint.pt"
    first = _resume(config, checkpoint, model, optimizer)
    model.train()
    started, smoothed = time.perf_counter(), math.nan
    for step, (ids, labels) in _batches(config, tokenizer, first):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        loss = _step(model, optimizer, ids, labels, bfloat16=config.bfloat16)
        smoothed = loss if math.isnan(smoothed) else 0.98 * smoothed + 0.02 * loss
        done = step + 1
        stopping = stop_after is not None and done - first >= stop_after and done < config.steps
        if stopping or (done % config.checkpoint_every == 0 and done < config.steps):
            _save_checkpoint(config, checkpoint, model, optimizer, done)
        if progress is not None:
            seconds = time.perf_counter() - started
            examples = (done - first) * config.batch_size
            progress(PretrainProgress(step=done, steps=config.steps, loss=smoothed, examples=examples, seconds=seconds))
        if stopping:
            return False
    _write(model, tokenizer, out)
    describe_model(config, out, measured_users=measured_users)
    checkpoint.unlink(missing_ok=True)
    return True


def describe_model(config: PretrainConfig, directory: Path, *, measured_users: int = 64) -> BaseMeasures:
    """Measures the model in `directory` and writes its card."""
    model = load_language_model(ModelConfig(name=str(directory), device="cpu"))
    measures = measure_base(model, users=measured_users, cases=3 * measured_users)
    protocol = (
        f"By `tacit-sim pretrain` itself, greedy unless said: {measured_users} simulated users of the reporting split "
        f"with two questions each, and {3 * measured_users} cases of every task, on held-out topics."
    )
    write_card(
        directory,
        config,
        measures,
        parameters=model.parameter_count(),
        prompts_version=PROMPTS_VERSION,
        protocol=protocol,
    )
    return measures


def make_tokenizer(config: PretrainConfig) -> PreTrainedTokenizerFast:
    """The tokenizer, trained on examples of the configuration's own mixture."""
    rng = Random(f"tacit tokenizer {config.seed}")
    texts = (message.content for _ in range(_TOKENIZER_TEXTS) for message in make_example(rng, config.mixture).turns)
    return train_tokenizer(texts, config.vocabulary_size, config.context_length)


def make_model(config: PretrainConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama model at its seeded random start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=config.hidden_size,
                intermediate_size=config.feed_forward,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                num_key_value_heads=config.heads,
                max_position_embeddings=config.context_length,
                tie_word_embeddings=True,
                bos_token_id=None,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                initializer_range=0.04,
            )
        )


def _step(
    model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, ids: Tensor, labels: Tensor, *, bfloat16: bool
) -> float:
    """One step on the mean negative log-likelihood of the scored tokens; ids and labels are (conversations, tokens)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        # Padding is on the right: under a causal mask no scored token sees it, and no mask means the fast kernel.
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
        wanted = labels[:, 1:]
        scored = wanted != -100
        logits = model.lm_head(hidden[scored])
    loss = F.cross_entropy(logits.float(), wanted[scored])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _batches(
    config: PretrainConfig, tokenizer: PreTrainedTokenizerFast, first: int
) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
    for block in range(first // _BLOCK, math.ceil(config.steps / _BLOCK)):
        rng = Random(f"tacit pretraining {config.seed} {block}")
        rows = []
        for _ in range(_BLOCK * config.batch_size):
            example = make_example(rng, config.mixture)
            ids, labels = encode_scored(tokenizer, example.turns, example.scored)
            rows.append((ids[: config.context_length], labels[: config.context_length]))
        rows.sort(key=lambda row: len(row[0]))  # like lengths together: less padding
        batches = [rows[i * config.batch_size : (i + 1) * config.batch_size] for i in range(_BLOCK)]
        rng.shuffle(batches)
        for offset, batch in enumerate(batches):
            step = block * _BLOCK + offset
            if first <= step < config.steps:
                yield step, _pad(batch, int(tokenizer.pad_token_id))


def _pad(rows: list[tuple[list[int], list[int]]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), -100)
    for index, (row, wanted) in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        labels[index, : len(wanted)] = torch.tensor(wanted)
    return ids, labels


def _resume(config: PretrainConfig, checkpoint: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["config"] != config.identity():
        raise CheckpointMismatchError(f"{checkpoint} is of a run with another configuration; remove it to start anew")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _save_checkpoint(
    config: PretrainConfig, path: Path, model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, step: int
) -> None:
    temporary = path.with_suffix(".tmp")
    state = {
        "config": config.identity(),
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(state, temporary)
    temporary.replace(path)  # a kill leaves the old checkpoint or the new one, never half of one


def _write(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    model.eval()
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=128, do_sample=False
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
