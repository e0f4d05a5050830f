"""Replies per second, batched against one by one and against transformers' own `generate` with the same batches.

All three write greedily to the same prompts, in one process, in turn. Ours lets a row leave the batch when its reply
has ended, where the peer's batch goes on until its longest reply has; the texts are compared too, since padding and
rounding may turn a near tie.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GenerationConfig

from client.prompts import with_persona
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from shared.language_model import ModelConfig, load_language_model
from simulations.benchmarks.pair_making import embedded_requests, qwen_shaped
from simulations.benchmarks.report import make_report

BATCHED, SINGLE, PEER = "tacit, batched", "tacit, one by one", "transformers, batched"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Attributes:
    name: as it stands in the results.
    model: writes.
    conversations: to reply to.
    max_new_tokens: of a reply.
    batch_size: replies written together.
    """

    name: str
    model: LanguageModel
    conversations: tuple[tuple[Message, ...], ...]
    max_new_tokens: int
    batch_size: int


def run(
    json_path: Path | None = None,
    *,
    cases: Sequence[Case] | None = None,
    repeats: int = 3,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        cases: by default the packaged model, and a random one of Qwen2.5-0.5B's shape.
        repeats: of every way, in turn, after one that does not count.
        progress: is told of every case's ways.
    """
    results: list[dict[str, object]] = []
    ratios: dict[str, float] = {}
    for case in default_cases() if cases is None else cases:
        ways: dict[str, Callable[[], list[str]]] = {
            BATCHED: lambda case=case: _ours(case, case.batch_size),  # type: ignore[misc]
            SINGLE: lambda case=case: _ours(case, 1),  # type: ignore[misc]
            PEER: lambda case=case: _peer(case),  # type: ignore[misc]
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        texts: dict[str, list[str]] = {}
        for turn in range(repeats + 1):
            for way, write in ways.items():
                began = time.perf_counter()
                texts[way] = write()
                if turn > 0:
                    seconds[way].append(time.perf_counter() - began)
        for way, of in seconds.items():
            rate = len(case.conversations) / statistics.median(of)
            same = statistics.fmean(one == other for one, other in zip(texts[way], texts[BATCHED], strict=True))
            results.append(
                {
                    "model": case.name,
                    "way": way,
                    "replies": len(case.conversations),
                    "batch_size": 1 if way == SINGLE else case.batch_size,
                    "max_new_tokens": case.max_new_tokens,
                    "seconds": of,
                    "replies_per_second": rate,
                    "characters": sum(map(len, texts[way])),
                    "same_texts_as_batched": same,
                }
            )
            progress(f"{case.name}, {way}: {rate:.2f} replies a second, {same:.0%} of the texts as batched")
        for way in (SINGLE, PEER):
            ratios[f"{case.name}: replies a second, {BATCHED} to {way}"] = statistics.median(
                seconds[way]
            ) / statistics.median(seconds[BATCHED])
    return make_report(
        "generate", packages=("tacit", "torch", "transformers"), results=results, ratios=ratios, json_path=json_path
    )


def default_cases() -> tuple[Case, ...]:
    """The packaged model on 32 requests, and a random one of Qwen2.5-0.5B's shape on 4."""
    return (
        Case(
            name="tacit-tiny",
            model=load_language_model(ModelConfig(device="cpu")),
            conversations=_conversations(32),
            max_new_tokens=112,
            batch_size=32,
        ),
        Case(
            name="Qwen2.5-0.5B's shape",
            model=qwen_shaped(),
            conversations=_conversations(4),
            max_new_tokens=16,
            batch_size=4,
        ),
    )


def _conversations(count: int) -> tuple[tuple[Message, ...], ...]:
    return tuple(with_persona(one.prompt, one.persona) for one in embedded_requests(count))


def _ours(case: Case, batch_size: int) -> list[str]:
    replies = case.model.generate_replies(case.conversations, max_new_tokens=case.max_new_tokens, batch_size=batch_size)
    return [reply.text for (reply,) in replies]


@torch.inference_mode()
def _peer(case: Case) -> list[str]:
    """As a user of transformers would: prompts padded on the left, a batch at a time, of similar lengths like ours."""
    model = case.model
    stops = model.stop_ids()
    settings = GenerationConfig(
        max_new_tokens=case.max_new_tokens, do_sample=False, eos_token_id=stops or None, pad_token_id=model.padding_id()
    )
    prompts = [model.encode_prompt(turns) for turns in case.conversations]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    texts = [""] * len(prompts)
    for start in range(0, len(order), case.batch_size):
        batch = order[start : start + case.batch_size]
        width = max(len(prompts[index]) for index in batch)
        ids = torch.full((len(batch), width), model.padding_id(), dtype=torch.int64)
        seen = torch.zeros_like(ids)
        for row, index in enumerate(batch):
            ids[row, width - len(prompts[index]) :] = torch.tensor(prompts[index])
            seen[row, width - len(prompts[index]) :] = 1
        written = model.model.generate(
            input_ids=ids.to(model.device), attention_mask=seen.to(model.device), generation_config=settings
        )
        for index, row in zip(batch, written[:, width:].tolist(), strict=True):
            end = next((place for place, token in enumerate(row) if token in stops), len(row))
            texts[index] = model.chat.decode(row[:end])
    return texts
