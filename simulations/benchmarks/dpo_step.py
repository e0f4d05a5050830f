"""The private training step against TRL's non-private one: same pairs, same model, same process.

The peer is `DPOTrainer.training_step` and the optimizer's step, as TRL ships them, but with gradient checkpointing and
bfloat16 autocast off: both are its defaults and both make it slower here, so the comparison is with its faster form.
Ours is a packed DP-SGD step through Opacus: draw, pack, forward, per-pair gradients, clip, noise, step. Both start from
token ids. Like for like twice: each running its own reference forward, then each with the reference cached.

Every case is timed in turns with the others, so that a busy machine slows all of them; medians are compared. Peak
memory is measured in a fresh process a case. TRL trains both LoRA factors, as it does; ours trains B alone (FFA-LoRA).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from client.packing import EncodedPair
from client.prepared_pairs import CostMeter, PreparedPair, forward_pairs
from client.private_step import PrivateStep
from client.training import PairPrivacy, TrainingConfig, take_plain_step, take_private_step, train_locally
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.chat_format import ScoredTokens
from shared.conversation import Message, PreferencePair, Role
from shared.language_model import LanguageModel
from shared.privacy.noise import AesCtrNoise
from simulations.benchmarks.own_process import measured_alone, resident_bytes
from simulations.benchmarks.report import make_report
from simulations.benchmarks.trl_peer import build_peer

VOCABULARY = 2048
PRIVATE, PRIVATE_CACHED = "tacit private, own reference", "tacit private, cached reference"
PEER, PEER_CACHED = "trl, own reference", "trl, cached reference"
PLAIN, PLAIN_CACHED = "tacit, own reference", "tacit, cached reference"
CASES = (PEER, PEER_CACHED, PRIVATE, PRIVATE_CACHED, PLAIN, PLAIN_CACHED)
_TEMPLATE = "{% for m in messages %}{{ m['content'] + ' ' }}{% endfor %}"


@dataclass(frozen=True, kw_only=True)
class StepSize:
    """Attributes:
    prompt, completion: tokens of the prompt and of each of the two replies.
    pairs: pairs in the step.
    """

    prompt: int
    completion: int = 64
    pairs: int = 8


def run(
    json_path: Path | None = None,
    *,
    prompts: Sequence[int] = (192, 512),
    repetitions: int = 9,
    threads: int = 2,
    measure_memory: bool = True,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        prompts: prompt lengths in tokens.
        repetitions: timed turns of every case, after two untimed ones.
        threads: of PyTorch; restored afterwards.
        progress: is told of every finished part.

    Raises:
        ModuleNotFoundError: TRL is not installed (`pip install 'tacit[bench]'`).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        results: list[dict[str, object]] = []
        ratios: dict[str, float] = {}
        for prompt in prompts:
            size = StepSize(prompt=prompt)
            seconds = _time_cases({case: _build(case, size) for case in CASES}, repetitions)
            memory = {case: _measure_memory(case, size, threads) for case in CASES} if measure_memory else {}
            for case in CASES:
                ordered = sorted(seconds[case])
                results.append(
                    {
                        "case": case,
                        "prompt_tokens": size.prompt,
                        "completion_tokens": size.completion,
                        "pairs": size.pairs,
                        "median_seconds": statistics.median(ordered),
                        "fastest_seconds": ordered[0],
                        "slowest_seconds": ordered[-1],
                        "peak_memory_bytes": memory.get(case),
                    }
                )
                progress(f"prompt {prompt}: {case}: {statistics.median(ordered):.3f} s")
            for name, peer, ours in (
                ("own reference", PEER, PRIVATE),
                ("cached reference", PEER_CACHED, PRIVATE_CACHED),
            ):
                ratios[f"speedup, prompt {prompt}, {name}"] = _median_ratio(seconds[peer], seconds[ours])
                if memory:
                    ratios[f"memory, prompt {prompt}, {name}"] = memory[ours] / memory[peer]
        schedule = _default_schedule(repetitions)
        for row in schedule:
            progress(f"{row['case']}, {row['pairs']} pairs, one thread: {row['median_seconds']:.3f} s a device")
        results += schedule
        return make_report(
            "dpo-step",
            packages=("tacit", "torch", "transformers", "peft", "trl", "opacus"),
            results=results,
            ratios=ratios,
            json_path=json_path,
            threads=threads,
        )
    finally:
        torch.set_num_threads(before)


def _default_schedule(repetitions: int) -> list[dict[str, object]]:
    """A whole client at the default schedule, on one thread: 10 pairs, one step, tokenising and reference included.

    The model has the size of the packaged one (0.94 M parameters), the pairs that of the embedded world's.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    stream = np.random.default_rng(2)

    def words(count: int) -> str:
        return " ".join(f"w{token}" for token in stream.integers(2, VOCABULARY // 2, count))

    def message(role: Role, count: int) -> tuple[Message, ...]:
        return (Message(role=role, content=words(count)),)

    pairs = [
        PreferencePair(prompt=message("user", 34), chosen=message("assistant", 43), rejected=message("assistant", 43))
        for _ in range(10)
    ]
    model = _base_model(vocabulary=VOCABULARY // 2, hidden=128, inner=352, heads=4)
    adapted = attach_adapter(LanguageModel(name="bench", model=model, tokenizer=_tokenizer()), AdapterConfig(rank=4))
    start = adapted.beginning()
    privacy = PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0)
    rows: list[dict[str, object]] = []
    try:
        for case, config in (
            ("tacit, default schedule", TrainingConfig()),
            ("tacit private, default schedule", TrainingConfig(pair_privacy=privacy, max_pairs=10)),
        ):
            noise = AesCtrNoise(bytes(32))
            updates = [
                train_locally(adapted, start, pairs, config, noise=noise, seed=turn) for turn in range(repetitions + 2)
            ][2:]
            seconds = sorted(update.seconds for update in updates)
            rows.append(
                {
                    "case": case,
                    "pairs": len(pairs),
                    "local_steps": 1,
                    "threads": 1,
                    "parameters": adapted.language_model.parameter_count(),
                    "forwards": updates[0].forwards,
                    "tokens": updates[0].tokens,
                    "median_seconds": statistics.median(seconds),
                    "fastest_seconds": seconds[0],
                    "slowest_seconds": seconds[-1],
                }
            )
    finally:
        torch.set_num_threads(threads)
    return rows


def _base_model(
    *, vocabulary: int = VOCABULARY, hidden: int = 192, inner: int = 512, heads: int = 6, seed: int = 0
) -> LlamaForCausalLM:
    """A Llama with random weights, by default of about two million parameters."""
    shape = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=4,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(shape)


def _tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(WordLevel({f"w{index}": index for index in range(VOCABULARY)}, unk_token="w1"))  # noqa: S106
    core.pre_tokenizer = Whitespace()
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="w0", pad_token="w0", unk_token="w1")  # noqa: S106
    made.chat_template = _TEMPLATE
    return made


def _pairs(size: StepSize) -> list[EncodedPair]:
    stream = np.random.default_rng(1)

    def reply() -> ScoredTokens:
        ids = tuple(int(token) for token in stream.integers(2, VOCABULARY, size.completion))
        return ScoredTokens(ids=ids, scored=(True,) * size.completion)

    return [
        EncodedPair(
            prompt=tuple(int(token) for token in stream.integers(2, VOCABULARY, size.prompt)),
            chosen=reply(),
            rejected=reply(),
        )
        for _ in range(size.pairs)
    ]


def _build(case: str, size: StepSize) -> Callable[[], object]:
    if case in (PEER, PEER_CACHED):
        return _peer_step(size, cached=case == PEER_CACHED)
    return _own_step(size, cached=case in (PRIVATE_CACHED, PLAIN_CACHED), private=case in (PRIVATE, PRIVATE_CACHED))


def _own_step(size: StepSize, *, cached: bool, private: bool) -> Callable[[], object]:
    privacy = PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0)
    config = TrainingConfig(
        learning_rate=1e-4, nll_weight=0.0, max_pairs=size.pairs, pair_privacy=privacy, pairs_per_pass=size.pairs
    )
    adapted = _adapted()
    encoded = _pairs(size)
    noise = AesCtrNoise(bytes(32))
    optimizer = torch.optim.SGD(adapted.shared_parameters(), lr=config.learning_rate)
    private_step = PrivateStep(adapted, optimizer, privacy, expected_batch_size=size.pairs, noise=noise)
    meter = CostMeter()

    def prepare() -> list[PreparedPair]:
        with adapted.disabled():
            scores = forward_pairs(adapted, encoded, config.limits(), meter=meter)
        return [
            PreparedPair(
                encoded=pair,
                reference_chosen=float(scores.chosen[index]),
                reference_rejected=float(scores.rejected[index]),
            )
            for index, pair in enumerate(encoded)
        ]

    known = prepare() if cached else None

    def step() -> object:
        ready = known if known is not None else prepare()
        if private:
            return take_private_step(
                adapted, [ready[index] for index in private_step.draw(len(ready))], config, private_step, meter
            )
        loss = take_plain_step(adapted, ready, config, meter)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return step


def _peer_step(size: StepSize, *, cached: bool) -> Callable[[], object]:
    trainer, inputs = build_peer(
        _base_model(), _tokenizer(), _pairs(size), AdapterConfig(), beta=0.1, learning_rate=1e-4, cached=cached
    )
    trainer.create_optimizer()

    def step() -> object:
        batch = trainer.data_collator(inputs)
        trainer.model.train()
        loss = trainer.training_step(trainer.model, batch)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()
        return loss

    return step


def _adapted() -> AdaptedModel:
    return attach_adapter(
        LanguageModel(name="bench", model=_base_model(), tokenizer=_tokenizer()), AdapterConfig(rank=4)
    )


def _time_cases(cases: dict[str, Callable[[], object]], repetitions: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for turn in range(repetitions + 2):
        for case, step in cases.items():
            began = time.perf_counter()
            step()
            if turn >= 2:
                seconds[case].append(time.perf_counter() - began)
    return seconds


def _median_ratio(peer: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(peer) / statistics.median(ours)


def _measure_memory(case: str, size: StepSize, threads: int) -> int:
    """Bytes by which five steps of a case raise the peak of a fresh process above what it holds before them."""
    found = measured_alone(
        "simulations.benchmarks.dpo_step", "--memory", case, "--prompt", size.prompt, "--threads", threads
    )
    return int(found["bytes"])


def _print_memory(case: str, prompt: int, threads: int) -> None:
    torch.set_num_threads(threads)
    step = _build(case, StepSize(prompt=prompt))
    before = resident_bytes()
    for _ in range(5):
        step()
    print(json.dumps({"bytes": resident_bytes("VmHWM") - before}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", choices=CASES, required=True)
    parser.add_argument("--prompt", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    _print_memory(arguments.memory, arguments.prompt, arguments.threads)
