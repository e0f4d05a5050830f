"""Reward pairs made per second: N candidates sampled and ranked under a persona, batched against one by one.

Batched is what the device does: one prefill a request, its N samples decoded together, requests side by side, scores in
batches. One by one is the same work without any of it: each candidate from its own prefill, each score a pass of its
own. Both are timed in one process, in turn. The candidates drawn differ by the seed, so their characters stand beside.

Two models: the packaged one on requests of the embedded world, and a randomly initialised one of Qwen2.5-0.5B's shape,
whose words mean nothing and cost the same; its candidates are cut at a fixed length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from client.candidates import Request
from client.prompts import with_persona
from client.rewards import Ranked
from client.rewards.mutual_information import PersonaMutualInformation
from shared.causal_lm import LanguageModel
from shared.language_model import ModelConfig, load_language_model, packaged_directory
from simulations.benchmarks.report import make_report
from simulations.population.embedded.history import history, speaker

CANDIDATES = 8
_RANKED = (
    "In brief, regarding growing basil on a balcony. - prune senescent foliage at the node - maintain canopy spacing"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Attributes:
    name: as it stands in the results.
    model: writes and scores.
    requests: to make pairs for.
    max_new_tokens: of a candidate.
    ranked: texts that are ranked in place of the candidates; None ranks what was sampled. What a random model samples
        is no text, and would be cheaper to score than to write.
    """

    name: str
    model: LanguageModel
    requests: tuple[Request, ...]
    max_new_tokens: int
    ranked: tuple[str, ...] | None = None


def run(
    json_path: Path | None = None,
    *,
    cases: Sequence[Case] | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it."""
    results: list[dict[str, object]] = []
    ratios: dict[str, float] = {}
    for case in cases if cases is not None else default_cases():
        seconds = {}
        for way, batch in (("batched", 256), ("one by one", 1)):
            candidates, seconds[way] = _make(case, batch)
            results.append(
                {
                    "model": case.name,
                    "way": way,
                    "requests": len(case.requests),
                    "candidates": CANDIDATES,
                    "seconds": seconds[way],
                    "pairs_per_second": len(case.requests) / seconds[way],
                    "characters": sum(len(text) for replies in candidates for text in replies),
                }
            )
            progress(f"{case.name}, {way}: {len(case.requests) / seconds[way]:.2f} pairs/s")
        ratios[f"{case.name}: batched against one by one"] = seconds["one by one"] / seconds["batched"]
    return make_report(
        "pair-making",
        packages=("tacit", "torch", "transformers"),
        results=results,
        ratios=ratios,
        json_path=json_path,
    )


def default_cases() -> tuple[Case, ...]:
    """The packaged model, and a random one of Qwen2.5-0.5B's shape."""
    return (
        Case(
            name="tacit-tiny",
            model=load_language_model(ModelConfig(device="cpu")),
            requests=embedded_requests(16),
            max_new_tokens=112,
        ),
        Case(
            name="Qwen2.5-0.5B's shape",
            model=qwen_shaped(),
            requests=embedded_requests(1),
            max_new_tokens=32,
            ranked=tuple(f"{place} {_RANKED}" for place in range(CANDIDATES)),
        ),
    )


def embedded_requests(count: int) -> tuple[Request, ...]:
    """Requests of as many simulated users."""
    made = []
    for index in range(count):
        user = speaker(0, "tuning", index)
        (first,) = history(user, 1)
        made.append(Request(prompt=first.conversation.messages[:1], persona=user.persona))
    return tuple(made)


def qwen_shaped() -> LanguageModel:
    """A model of Qwen2.5-0.5B's sizes with seeded random weights, which reads the packaged tokenizer's tokens."""
    shape = Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(shape)
    tokenizer = AutoTokenizer.from_pretrained(packaged_directory())
    return LanguageModel(name="random-qwen2.5-0.5b", model=model, tokenizer=tokenizer)


def _make(case: Case, batch: int) -> tuple[list[list[str]], float]:
    """The candidates of every request and the seconds that sampling and ranking took."""
    began = time.perf_counter()
    prompts = [with_persona(one.prompt, one.persona) for one in case.requests]
    if batch > 1:
        sampled = case.model.generate(
            prompts, max_new_tokens=case.max_new_tokens, temperature=1.0, samples=CANDIDATES, batch_size=batch
        )
    else:
        sampled = [
            [
                case.model.generate([prompt], max_new_tokens=case.max_new_tokens, temperature=1.0, seed=seed)[0][0]
                for seed in range(CANDIDATES)
            ]
            for prompt in prompts
        ]
    reward = PersonaMutualInformation(case.model, batch_size=min(batch, 64))
    cases = [
        Ranked(prompt=one.prompt, persona=one.persona, candidates=case.ranked or tuple(replies))
        for one, replies in zip(case.requests, sampled, strict=True)
    ]
    reward.score(cases)
    return sampled, time.perf_counter() - began
