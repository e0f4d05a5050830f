"""The packaged base model: small, plainly loadable, coherent on topics it never saw, and not yet personal."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from client.prompts import PROMPTS_VERSION
from simulations.population.embedded.parser import read_reply
from simulations.population.embedded.personas import word_persona
from simulations.population.embedded.style import AXES, DEFAULT_STYLE
from simulations.population.embedded.topics import ask, topics

DIRECTORY = Path(str(files("shared").joinpath("tiny_model")))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(DIRECTORY)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(DIRECTORY).eval()


def chat(model: Any, tokenizer: Any, conversations: list[list[dict[str, str]]]) -> list[str]:
    prompts = [
        tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False) for turns in conversations
    ]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.inference_mode():
        out = model.generate(
            batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=112, do_sample=False
        )
    replies: list[str] = tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return replies


def test_it_is_small(model: Any) -> None:
    assert 1_000_000 <= sum(parameter.numel() for parameter in model.parameters()) <= 3_000_000
    assert sum(path.stat().st_size for path in DIRECTORY.iterdir()) <= 8_000_000


def test_it_has_all_that_a_model_directory_has() -> None:
    names = {path.name for path in DIRECTORY.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "generation_config.json", "README.md"} <= names
    assert "checkpoint.pt" not in names


def test_its_vocabulary_its_context_and_its_end_of_turn_agree(model: Any, tokenizer: Any) -> None:
    assert len(tokenizer) == model.config.vocab_size
    assert tokenizer.eos_token_id == model.config.eos_token_id == model.generation_config.eos_token_id
    assert tokenizer.pad_token_id == model.generation_config.pad_token_id != tokenizer.eos_token_id
    assert model.config.max_position_embeddings == tokenizer.model_max_length == 1024


def test_its_template_takes_roles_in_any_order(tokenizer: Any) -> None:
    turns = [{"role": role, "content": role[0]} for role in ("assistant", "system", "user", "user")]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "<|assistant|>a<|end|><|system|>s<|end|><|user|>u<|end|><|user|>u<|end|><|assistant|>"


def test_it_answers_sensibly_about_every_topic_it_never_saw_and_in_its_default_style(
    model: Any, tokenizer: Any
) -> None:
    rng = Random(11)
    held_out = topics(held_out=True)
    questions = [ask(topic, rng, held_out=True) for topic in held_out]
    replies = chat(model, tokenizer, [[{"role": "user", "content": question}] for question in questions])
    readings = [read_reply(reply, question) for reply, question in zip(replies, questions, strict=True)]
    assert sum(reading.coherent for reading in readings) >= 0.9 * len(readings)
    assert sum(reading.fit(DEFAULT_STYLE) == 4 for reading in readings) >= 0.8 * len(readings)


def test_it_does_not_yet_obey_a_persona(model: Any, tokenizer: Any) -> None:
    """Otherwise a federation would have nothing to teach it."""
    rng = Random(12)
    wanted = DEFAULT_STYLE.flipped(*AXES)
    questions = [ask(topic, rng, held_out=True) for topic in topics(held_out=True)]
    conversations = [
        [
            {"role": "system", "content": f"About the user: {word_persona(wanted, rng)}"},
            {"role": "user", "content": question},
        ]
        for question in questions
    ]
    replies = chat(model, tokenizer, conversations)
    fits = [read_reply(reply, question).fit(wanted) for reply, question in zip(replies, questions, strict=True)]
    assert sum(fits) / len(fits) < 1.5


def test_its_card_states_measured_figures_for_these_prompts() -> None:
    card = (DIRECTORY / "README.md").read_text(encoding="utf-8")
    measures = json.loads((DIRECTORY / "measures.json").read_text(encoding="utf-8"))
    assert f"version {PROMPTS_VERSION})" in card
    for value in measures.values():
        assert f"| {value:.3f} |" in card
    assert measures["coherent_greedy"] >= 0.95
    assert measures["rewrite_asked"] >= 0.8
    assert "cannot show" in card
