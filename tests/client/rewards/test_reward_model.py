"""A Hugging Face reward model: the persona is in its input, and what is no reward model is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, LlamaConfig, PreTrainedModel

from client.rewards import Ranked
from client.rewards.reward_model import RewardModelError, SequenceRewardModel, load_reward_model
from tests.federation import model_directory
from tests.tiny import CONFIGS, message, tokenizer

PROMPT = (message("user", "Could you explain how bread rises?"),)
REPLIES = ("Yeast eats sugar.", "It is the gas which makes bubbles in the dough.", "By itself.")


def classifier(labels: int = 1, *, tokens: int = 256) -> PreTrainedModel:
    shape = LlamaConfig(**CONFIGS["llama"].to_dict())
    shape.num_labels, shape.max_position_embeddings, shape.pad_token_id = labels, tokens, 0
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made: PreTrainedModel = AutoModelForSequenceClassification.from_config(shape)
    return made


def case(persona: str | None = "likes short answers", replies: tuple[str, ...] = REPLIES) -> Ranked:
    return Ranked(prompt=PROMPT, persona=persona, candidates=replies)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    classifier().save_pretrained(tmp_path / "rm")
    tokenizer().save_pretrained(tmp_path / "rm")
    return tmp_path / "rm"


def test_a_saved_reward_model_scores_with_the_persona_in_its_input(saved: Path) -> None:
    model = load_reward_model(str(saved), device="cpu")
    (own,), (other,), (none,) = (model.score([case(persona)]) for persona in ("short", "detailed please", None))
    assert len(own) == len(REPLIES)
    assert own != other != none
    assert model.name == "reward model rm"


def test_batches_change_nothing() -> None:
    made = classifier()
    one, many = (
        SequenceRewardModel(name="m", model=made, tokenizer=tokenizer(), batch_size=size).score([case(), case(None)])
        for size in (1, 8)
    )
    for first, second in zip(one, many, strict=True):
        assert first == pytest.approx(second, abs=1e-5)


def test_a_long_conversation_keeps_persona_and_reply() -> None:
    model = SequenceRewardModel(name="m", model=classifier(tokens=128), tokenizer=tokenizer())
    turns = tuple(message(role, f"gas and dough {place} " * 4) for place in range(8) for role in ("user", "assistant"))
    long = Ranked(prompt=(*turns, *PROMPT), persona="likes short answers", candidates=REPLIES)
    short = Ranked(prompt=PROMPT, persona="likes short answers", candidates=REPLIES)
    assert (
        model.score([long])[0] == pytest.approx(model.score([short])[0], abs=1e-4)
        or len(set(model.score([long])[0])) > 1
    )


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RewardModelError, match="must have one"):
        SequenceRewardModel(name="m", model=classifier(2), tokenizer=tokenizer())
    with pytest.raises(RewardModelError, match="no trained scoring head"):
        load_reward_model(model_directory(), device="cpu")
    with pytest.raises(RewardModelError, match="cannot load"):
        load_reward_model(str(tmp_path), device="cpu")
