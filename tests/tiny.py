"""Tiny random models of real architectures, with a tokenizer made on the spot: no hub, no files."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from shared.conversation import Message, PreferencePair
from shared.language_model import LanguageModel

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
STORIES = Path(__file__).parent.parent.parent / "shared" / "models" / "stories260K"
needs_stories = pytest.mark.skipif(not STORIES.is_dir(), reason="../shared/models/stories260K is not on this machine")

_TEXT = [
    "Could you explain how bread rises? Please keep it short and plain, I am new to this.",
    "Yeast eats sugar and gives off gas, which makes bubbles in the dough and lifts it while it rests.",
    "The user is a beginner who likes short, friendly answers without jargon or long lists of steps.",
]


@cache
def tokenizer(*, template: str | None = CHATML) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of about 300 tokens, with ChatML's two special tokens."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|end|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_TEXT, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|end|>",  # noqa: S106
        additional_special_tokens=["<|im_start|>", "<|im_end|>"],
    )
    made.chat_template = template
    return made


_SIZES = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": None,
}
# Windows of 8 are shorter than every test row: a mask that forgets them gives other log-probabilities.
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**_SIZES),
    "qwen2": Qwen2Config(**_SIZES),
    "qwen2-window": Qwen2Config(**_SIZES, use_sliding_window=True, sliding_window=8, max_window_layers=1),
    "qwen3": Qwen3Config(**_SIZES, head_dim=8),
    "mistral": MistralConfig(**_SIZES, sliding_window=8),
    "gemma": GemmaConfig(**_SIZES, head_dim=8),
    "gemma2": Gemma2Config(**_SIZES, head_dim=8, sliding_window=8, query_pre_attn_scalar=8),
    "gemma3": Gemma3TextConfig(
        **_SIZES,
        head_dim=8,
        sliding_window=8,
        query_pre_attn_scalar=8,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gpt2": GPT2Config(vocab_size=320, n_embd=32, n_layer=2, n_head=4, n_positions=256, bos_token_id=0, eos_token_id=0),
}


def language_model(
    architecture: str = "llama",
    *,
    attention: str = "sdpa",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    template: str | None = CHATML,
) -> LanguageModel:
    """A fresh random model, its weights spread wider than usual, so that a wrong mask shows in log-probabilities."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shape = deepcopy(CONFIGS[architecture])  # a test may change its model's
        model = AutoModelForCausalLM.from_config(shape, attn_implementation=attention, dtype=dtype)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() == 2 and "embed" not in name and "wte" not in name:
                    weight.mul_(6.0)
    return LanguageModel(name=f"tiny-{architecture}", model=model, tokenizer=tokenizer(template=template))


def message(role: str, content: str) -> Message:
    """A message whose role a test spells as text."""
    return Message(role=role, content=content)  # type: ignore[arg-type]


def pair(index: int = 0, *, persona: str | None = "a beginner who likes short answers") -> PreferencePair:
    """Pairs of different lengths and words."""
    words = ["yeast", "gas", "bubbles", "dough", "sugar", "rest", "plain", "friendly"]
    chosen = " ".join(words[(index + place) % 8] for place in range(4 + index % 5))
    rejected = " ".join(words[(3 * index + 2 * place + 1) % 8] for place in range(6 + index % 3)) + "!"
    return PreferencePair(
        prompt=(message("user", f"Could you explain how bread {words[index % 8]} rises?"),),
        chosen=(message("assistant", chosen),),
        rejected=(message("assistant", rejected),),
        persona=persona,
    )


def multi_turn_pair() -> PreferencePair:
    """A pair whose chosen completion holds two assistant turns."""
    return PreferencePair(
        prompt=(message("user", "How does bread rise?"),),
        chosen=(
            message("assistant", "Yeast eats sugar."),
            message("user", "Please keep it short."),
            message("assistant", "Gas lifts it."),
        ),
        rejected=(message("assistant", "By itself, while it rests."),),
        persona="a beginner",
    )
