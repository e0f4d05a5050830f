"""What `tacit serve` adds to a reply: its streaming over HTTP against plain `transformers.generate` on the same model.

The peer is `model.generate` with a streamer that only notes when each token came, on token ids that were made before:
no text, no server. Ours is the server as a front end meets it, on loopback: the request read and checked, the persona
from the vault, tokens, the reply as events, and when each reaches the client. Both are greedy, of one length, in one
process, in turn, and nothing that was read before is used. Two cases: as installed,
and with an adapter of the shape that a federation shares, which the peer's model then has too. Beside them, what a
prompt that goes on from the last reply costs, since a conversation is not read anew at each turn.

The model has Qwen2.5-0.5B's shape and random weights, whose words mean nothing and cost the same.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from transformers.generation.streamers import BaseStreamer

from client.assistant.assistant import Assistant
from client.persona.book import PersonaBook
from client.profile import Profile, ProfileSettings
from client.prompts import with_persona
from client.serve.app import build_app, listen, make_server
from client.unlocking import open_vault
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.adapter import attach_adapter
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from shared.language_model import ModelConfig
from shared.messages import TrainRequest
from shared.round_plan import FederationPlan
from simulations.benchmarks.pair_making import qwen_shaped
from simulations.benchmarks.report import make_report

_TOKEN = "bench-" + "t" * 40
_PERSONA = "Prefers short answers without jargon."
_CLIENT = str(Path(__file__).with_name("serve_client.py"))
_WORDS = ("bread", "basil", "garden", "letter", "kitchen", "train", "violin", "river", "ladder", "window")
_PARTS = {
    "first": "first token", "each": "per token", "whole": "whole reply", "processor": "processor time of a reply",
}  # fmt: skip
_CASES = ("as installed", "with an adapter")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of one reply, in seconds.

    Attributes:
        first: from the request to the first token.
        each: between tokens, their median.
        whole: to the end.
    processor: of this process meanwhile: it hangs less on what else the machine does.
    """

    first: float
    each: float
    whole: float
    processor: float


def run(
    json_path: Path | None = None,
    *,
    model: LanguageModel | None = None,
    prompt_words: int = 60,
    new_tokens: int = 24,
    repeats: int = 5,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        model: by default a random one of Qwen2.5-0.5B's shape. What it says is changed: it never ends a reply.
        prompt_words: of a request, about.
        new_tokens: of a reply.
        repeats: of each, in turn, after one that does not count; medians are over them.
        progress: is told of every finished part.
    """
    base = model or qwen_shaped()
    _say_words_only(base)
    results: list[dict[str, object]] = []
    ratios: dict[str, float] = {}
    prompt_tokens = 0
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name, _home(Path(name), base) as (profile, vault):
        vault.personas.save(PersonaBook().write(_PERSONA))
        for case in _CASES:
            peer = base
            if case == "with an adapter":
                peer = _share_adapter(profile, vault, base)
            timings: dict[str, list[Timing]] = {"serve": [], "generate": [], "serve, next turn": []}
            with _served(profile, vault, base) as (port, assistant):
                for turn in range(repeats + 1):
                    said = (_request(case, turn, prompt_words),)
                    ids = peer.encode_prompt(with_persona(said, _PERSONA))
                    prompt_tokens = len(ids)
                    order = ("serve", "generate") if turn % 2 == 0 else ("generate", "serve")
                    for way in order:
                        if way == "generate":
                            timing = _generated(peer, ids, new_tokens)
                        else:
                            assistant.forget_caches()
                            reply, timing = _streamed(port, said, new_tokens)
                        if turn > 0:
                            timings[way].append(timing)
                    following = (*said, Message(role="assistant", content=reply), _request(case, -turn - 1, 8))
                    _, timing = _streamed(port, following, new_tokens)
                    if turn > 0:
                        timings["serve, next turn"].append(timing)
            medians = {way: _median(of) for way, of in timings.items()}
            for way, of in medians.items():
                progress(f"{case}, {way}: first token {of.first:.3f} s, then {of.each * 1000:.1f} ms a token")
                results.append(
                    {
                        "case": case,
                        "way": way,
                        "first_token_seconds": of.first,
                        "per_token_seconds": of.each,
                        "whole_seconds": of.whole,
                        "processor_seconds": of.processor,
                        "first_token_seconds_each": [one.first for one in timings[way]],
                        "per_token_seconds_each": [one.each for one in timings[way]],
                    }
                )
            for part, label in _PARTS.items():
                ratio = getattr(medians["serve"], part) / getattr(medians["generate"], part)
                ratios[f"{case}: {label}, serve to generate"] = ratio
    return make_report(
        "serve",
        packages=("tacit", "torch", "transformers", "peft", "starlette", "uvicorn"),
        results=results,
        ratios=ratios,
        json_path=json_path,
        model=base.name,
        parameters=base.parameter_count(),
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        repeats=repeats,
    )


class _Clock(BaseStreamer):  # type: ignore[misc]
    """Notes when tokens come; the first thing that a streamer is given is the prompt."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, _value: torch.Tensor) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        return


def _generated(model: LanguageModel, ids: list[int], new_tokens: int) -> Timing:
    clock, used = _Clock(), time.process_time()
    began = time.perf_counter()
    prompt = torch.tensor([ids])
    with torch.inference_mode():
        out = model.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=new_tokens,
            do_sample=False,
            streamer=clock,
            eos_token_id=None,
            pad_token_id=0,
        )
    ended = time.perf_counter()
    if out.shape[1] != len(ids) + new_tokens:
        raise RuntimeError("generate did not write as many tokens as it was asked for")
    return _timing(began, clock.times[1:], ended, used)


def _streamed(port: int, said: tuple[Message, ...], new_tokens: int) -> tuple[str, Timing]:
    body = {
        "model": "tacit-private",
        "messages": [{"role": one.role, "content": one.content} for one in said],
        "max_tokens": new_tokens,
        "temperature": 0,
        "stream": True,
    }
    used = time.process_time()
    # In a process of its own, as front ends are: in this one its threads would wait for each other.
    asked = subprocess.run(  # noqa: S603
        [sys.executable, "-I", _CLIENT, str(port)],
        input=f"{_TOKEN}\n{json.dumps(body)}".encode("ascii"),
        capture_output=True,
        check=True,
    )
    began, times, ended, pieces = json.loads(asked.stdout)
    if len(times) != new_tokens:
        raise RuntimeError(f"{len(times)} pieces came of {new_tokens} tokens")
    return "".join(pieces), _timing(began, times, ended, used)


def _timing(began: float, times: list[float], ended: float, used: float) -> Timing:
    gaps = [after - before for before, after in pairwise(times)]
    return Timing(
        first=times[0] - began,
        each=statistics.median(gaps),
        whole=ended - began,
        processor=time.process_time() - used,
    )


def _median(timings: list[Timing]) -> Timing:
    return Timing(
        first=statistics.median(one.first for one in timings),
        each=statistics.median(one.each for one in timings),
        whole=statistics.median(one.whole for one in timings),
        processor=statistics.median(one.processor for one in timings),
    )


def _request(case: str, turn: int, words: int) -> Message:
    """Every turn's is another."""
    rng = np.random.default_rng(abs(turn) * 2 + (turn < 0) + 1000 * _CASES.index(case))
    return Message(role="user", content=f"{turn} {' '.join(rng.choice(_WORDS, size=words))}?")


def _say_words_only(model: LanguageModel) -> None:
    """Every token that is chosen shows: none ends the reply, is white space, half of a character or unknown."""
    head = model.model.get_output_embeddings()
    size = head.weight.shape[0]
    shown = torch.zeros(size, dtype=torch.bool)
    special = set(model.tokenizer.all_special_ids)
    for token in range(min(size, len(model.tokenizer))):
        text = model.tokenizer.decode([token])
        shown[token] = token not in special and text.isascii() and text.strip().isalnum()
    if not shown.any():
        raise RuntimeError("the tokenizer has no word to say")
    offset = torch.where(shown, 0.0, -1e4)
    # The same cost as without: one more addition of a vector, in either way of decoding.
    head.register_forward_hook(lambda _module, _inputs, logits: logits + offset)


def _share_adapter(profile: Profile, vault: Vault, base: LanguageModel) -> LanguageModel:
    """Keeps an adapter as if a server had sent it; the model with it."""
    plan = FederationPlan(model=profile.settings.model)
    adapted = attach_adapter(base.twin(), plan.adapter)
    vector = (0.01 * np.random.default_rng(0).standard_normal(adapted.read().size)).astype(np.float32)
    request = TrainRequest(
        run="0" * 32,
        device=0,
        round_number=1,
        attempt=1,
        plan=plan,
        spec_digest=adapted.spec.digest(),
        base_fingerprint=adapted.spec.base_fingerprint,
        training_seed=0,
        vector=vector,
    )
    VaultDevice(profile, vault).keep_shared(request)
    adapted.load(vector)
    return adapted.language_model


@contextmanager
def _home(directory: Path, base: LanguageModel) -> Iterator[tuple[Profile, Vault]]:
    key_file = directory / "key"
    settings = ProfileSettings(model=ModelConfig(name=base.name), key_file=key_file)
    profile = Profile.create(directory / "home", settings, KeyFile(key_file))
    with open_vault(profile) as vault:
        yield profile, vault


@contextmanager
def _served(profile: Profile, vault: Vault, base: LanguageModel) -> Iterator[tuple[int, Assistant]]:
    with listen(0) as place:
        host, port = place.getsockname()[:2]
        assistant = Assistant(profile, vault, base)
        app = build_app(assistant, vault, token=_TOKEN, address=(host, port))
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield port, assistant
        finally:
            server.should_exit = True
            thread.join()
