"""Pretraining end to end at a tiny size: it learns, a kill costs nothing, the result is a plain Hugging Face model."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from simulations.pretrain import CheckpointMismatchError, pretrain
from simulations.pretraining.progress import PretrainProgress, live_progress
from simulations.pretraining.recipe import PretrainConfig, learning_rate

TINY = PretrainConfig(
    seed=1,
    steps=24,
    batch_size=4,
    hidden_size=32,
    layers=1,
    heads=2,
    feed_forward=48,
    vocabulary_size=600,
    warmup_steps=4,
    threads=1,
    checkpoint_every=1000,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[PretrainProgress]]:
    out = tmp_path_factory.mktemp("whole")
    seen: list[PretrainProgress] = []
    assert pretrain(TINY, out, seen.append, measured_users=2)
    return out, seen


def weights(directory: Path) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(directory)
    return dict(model.state_dict())


def test_it_learns_and_reports_every_step(whole: tuple[Path, list[PretrainProgress]]) -> None:
    _, seen = whole
    assert [progress.step for progress in seen] == list(range(1, 25))
    assert seen[-1].examples == 24 * 4
    assert seen[-1].loss < seen[0].loss - 0.1


def test_a_killed_run_resumes_to_identical_weights(whole: tuple[Path, list[PretrainProgress]], tmp_path: Path) -> None:
    assert not pretrain(TINY, tmp_path, stop_after=7)
    assert not (tmp_path / "model.safetensors").exists()
    seen: list[PretrainProgress] = []
    assert not pretrain(TINY, tmp_path, seen.append, stop_after=11)
    assert seen[0].step == 8
    assert pretrain(TINY, tmp_path, measured_users=2)
    expected, found = weights(whole[0]), weights(tmp_path)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    assert not (tmp_path / "checkpoint.pt").exists()


def test_another_seed_gives_other_weights(whole: tuple[Path, list[PretrainProgress]], tmp_path: Path) -> None:
    pretrain(replace(TINY, seed=2, steps=1), tmp_path, measured_users=2)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.allclose(weights(whole[0])[name], weights(tmp_path)[name], atol=1e-3)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    pretrain(TINY, tmp_path, stop_after=2)
    with pytest.raises(CheckpointMismatchError, match="another configuration"):
        pretrain(replace(TINY, learning_rate=1e-3), tmp_path)


def test_the_directory_loads_with_tokenizer_and_chat_template(whole: tuple[Path, list[PretrainProgress]]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(whole[0])
    chat = [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Hi"}]
    assert (
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        == "<|assistant|>Hello.<|end|><|user|>Hi<|end|><|assistant|>"
    )
    assert tokenizer.convert_tokens_to_ids("<|end|>") == tokenizer.eos_token_id
    assert tokenizer.model_max_length == 1024


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = replace(TINY, steps=100, warmup_steps=10, decay_share=0.4, learning_rate=2.0)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[30] == rates[59] == 2.0
    assert rates[80] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(0.05)


def test_a_step_count_of_zero_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="steps must be positive"):
        PretrainConfig(steps=0)


def test_the_live_bar_shows_loss_and_speed() -> None:
    console = Console(file=StringIO(), width=120, force_terminal=True)
    with live_progress(console) as show:
        show(PretrainProgress(step=3, steps=10, loss=1.25, examples=90, seconds=3.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3/10" in text
    assert "loss 1.250" in text
    assert "30 conversations/s" in text


def test_the_card_states_what_was_measured(whole: tuple[Path, list[PretrainProgress]]) -> None:
    card = (whole[0] / "README.md").read_text(encoding="utf-8")
    measures = json.loads((whole[0] / "measures.json").read_text(encoding="utf-8"))
    assert set(measures) >= {"coherent_greedy", "rewrite_asked_held_out", "follow_up_held_out", "persona_recall"}
    assert all(f"| {value:.3f} |" in card for value in measures.values())
    assert '"seed": 1' in card
    assert "2 simulated users" in card
