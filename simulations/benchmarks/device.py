"""What an edge device needs: memory and time of answering, of making ten pairs, and of a private round on ten pairs.

A model of Qwen2.5-0.5B's sizes with random weights, float32, on this CPU; the packaged model beside it. Random weights
write random replies, so what is made of them is worth nothing, and costs what real ones cost: nothing is filtered, and
every reply is as long as it may be. Every part runs in a process of its own, whose peak memory is what is stated.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simulations.benchmarks.own_process import measured_alone, resident_bytes

if TYPE_CHECKING:
    from shared.causal_lm import LanguageModel
    from shared.conversation import Message

PAIRS = 10
REPLY_TOKENS = 64
CANDIDATES = 8
PARTS = ("load", "answer", "make ten pairs", "one user-private round", "one pair-private round", "train beside answers")
SHAPES = ("tacit-tiny", "Qwen2.5-0.5B's shape")


def run(
    json_path: Path | None = None,
    *,
    shapes: Sequence[str] = SHAPES,
    parts: Sequence[str] = PARTS,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it. Needs Linux.

    Args:
        shapes, parts: of `SHAPES` and `PARTS`.
        progress: is told of every finished part.
    """
    from simulations.benchmarks.report import make_report

    results: list[dict[str, object]] = []
    ratios: dict[str, float] = {}
    for shape in shapes:
        found: dict[str, dict[str, float]] = {}
        for part in parts:
            figures = found[part] = measured_alone("simulations.benchmarks.device", shape, part)
            results.append({"model": shape, "part": part, **figures})
            progress(f"{shape}, {part}: {figures['seconds']:.2f} s, peak {figures['peak_bytes'] / 1e9:.2f} GB")
        for part in parts:
            if part != "load" and "load" in found:
                ratios[f"{shape}: peak memory, {part} to the model loaded"] = (
                    found[part]["peak_bytes"] / found["load"]["peak_bytes"]
                )
    return make_report(
        "device",
        packages=("tacit", "torch", "transformers", "peft", "opacus"),
        results=results,
        ratios=ratios,
        json_path=json_path,
        pairs=PAIRS,
        reply_tokens=REPLY_TOKENS,
        candidates=CANDIDATES,
    )


def _print_measured(shape: str, part: str) -> None:
    from rich.console import Console

    from shared.command_line import quiet_libraries

    quiet_libraries(Console(stderr=True))
    from shared.language_model import ModelConfig, load_language_model
    from simulations.benchmarks.pair_making import qwen_shaped

    began = time.perf_counter()
    if shape == SHAPES[0]:
        model = load_language_model(ModelConfig(device="cpu"))
    else:
        model = qwen_shaped()
        # Every token that random weights write must be text, or replies would be empty and cost nothing to rank.
        known = len(model.tokenizer)
        model.tokenizer.add_tokens([f"<{number}>" for number in range(known, model.model.config.vocab_size)])
    loaded = time.perf_counter() - began
    seconds = loaded if part == "load" else _WAYS[part](model)
    print(json.dumps({"seconds": seconds, "peak_bytes": resident_bytes("VmHWM")}))


def _answer(model: LanguageModel) -> float:
    """Seconds of one reply, after one to warm up."""
    for _ in range(2):
        began = time.perf_counter()
        _write_reply(model)
        seconds = time.perf_counter() - began
    return seconds


def _write_reply(model: LanguageModel) -> None:
    prompt, _ = model.fit_prompt(_request(0), max_new_tokens=REPLY_TOKENS)
    # Sampled: random weights hardly ever draw what would end a reply.
    for _ in model.stream_tokens(prompt, max_new_tokens=REPLY_TOKENS, temperature=1.0):
        pass


def _make(model: LanguageModel) -> float:
    """Seconds of five rewrites (a reply, then its rewrite) and five rewards (eight candidates, then their ranks)."""
    from client.filtering import FilterConfig
    from client.followups.light import LightFollowUpClassifier
    from client.pair_making import Models, PairMakingConfig, UserHistory, make_pairs
    from client.rewards.mutual_information import PersonaMutualInformation
    from simulations.population.embedded.history import history, speaker

    user = speaker(0, "train", 2)
    conversations = tuple(entry.conversation for entry in history(user, 40))
    config = PairMakingConfig(
        rewrites=PAIRS // 2,
        rewards=PAIRS // 2,
        candidates=CANDIDATES,
        max_new_tokens=REPLY_TOKENS,
        filter=FilterConfig(enabled=False),
    )
    models = Models(
        own=model,
        classifier=LightFollowUpClassifier.packaged(),
        rewriter=model,
        reward=PersonaMutualInformation(model),
    )
    began = time.perf_counter()
    (report,) = make_pairs([UserHistory(conversations=conversations, persona=user.persona)], models, config)
    seconds = time.perf_counter() - began
    if len(report.tried) != PAIRS:
        raise RuntimeError("not as many requests were tried as were asked for")
    return seconds


def _train(model: LanguageModel, *, pair_private: bool) -> float:
    """Seconds of a round on ten pairs, reference passes included: FFA-LoRA of rank 4, one step, clipped."""
    from client.private_step import PairPrivacy
    from client.training import TrainingConfig, train_locally
    from shared.adapter import attach_adapter
    from shared.adapter_spec import AdapterConfig
    from shared.privacy.clipping import clip_to_norm
    from shared.privacy.noise import SeededTestNoise
    from simulations.population.embedded.population import EmbeddedPopulation

    private = PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0) if pair_private else None
    config = TrainingConfig(pair_privacy=private)
    adapted = attach_adapter(model, AdapterConfig(rank=4))
    pairs = EmbeddedPopulation(seed=0, users=1, pairs_per_user=PAIRS).pairs(0)
    began = time.perf_counter()
    update = train_locally(adapted, adapted.beginning(), pairs, config, noise=SeededTestNoise(0), seed=0)
    clip_to_norm(update.vector, 1.0)
    return time.perf_counter() - began


def _train_beside(model: LanguageModel) -> float:
    """Seconds of a reply while a twin of the model trains: the weights are held once."""
    model.fingerprint()
    answering, training = model.twin(), model.twin()
    done = threading.Event()
    failed: list[BaseException] = []

    def train() -> None:
        try:
            _train(training, pair_private=False)
        except BaseException as error:  # told by the thread that waits
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=train, daemon=True).start()
    took: list[float] = []
    while not done.is_set():
        began = time.perf_counter()
        _write_reply(answering)
        took.append(time.perf_counter() - began)
    if failed:
        raise failed[0]
    return sum(took) / len(took)


def _request(index: int) -> tuple[Message, ...]:
    from client.prompts import with_persona
    from simulations.benchmarks.pair_making import embedded_requests

    request = embedded_requests(index + 1)[index]
    return with_persona(request.prompt, request.persona)


_WAYS: dict[str, Callable[[LanguageModel], float]] = {
    "answer": _answer,
    "make ten pairs": _make,
    "one user-private round": lambda model: _train(model, pair_private=False),
    "one pair-private round": lambda model: _train(model, pair_private=True),
    "train beside answers": _train_beside,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("part", choices=PARTS)
    arguments = parser.parse_args()
    _print_measured(arguments.shape, arguments.part)
