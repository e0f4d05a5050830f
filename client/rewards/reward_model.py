"""Any Hugging Face reward model (`AutoModelForSequenceClassification` with one logit), the persona in its input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from client.prompts import with_persona
from client.rewards import Ranked
from shared.chat_format import ChatFormat, shorten_prompt
from shared.conversation import Message
from shared.language_model import pick_device

_TOKENS = 4096


class RewardModelError(RuntimeError):
    """A reward model cannot be loaded or asked. The message says what to do; it holds no content."""


class SequenceRewardModel:
    """Scores `[persona + conversation, reply]` by the model's single logit."""

    def __init__(
        self, *, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int = 8
    ) -> None:
        """Use `load_reward_model`, or wrap a model that is in memory.

        Raises:
            RewardModelError: it has other than one output.
        """
        if getattr(model.config, "num_labels", None) != 1:
            raise RewardModelError(
                f"the reward model {name!r} has {getattr(model.config, 'num_labels', 'no')} outputs and must have one: "
                "take a model trained to score replies, not a classifier"
            )
        self.name = f"reward model {name}"
        self._model = model.eval().requires_grad_(False)
        self._chat = ChatFormat(tokenizer, model_name=name)
        self._padding = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)
        # The head reads the last token that is not padding, which the model finds by this.
        self._model.config.pad_token_id = self._padding
        self._batch_size = batch_size
        limit = getattr(model.config, "max_position_embeddings", _TOKENS)
        self._max_tokens = min(int(limit), _TOKENS)

    def score(self, cases: Sequence[Ranked]) -> list[tuple[float, ...]]:
        """(candidates,) logits of each case. A conversation that is too long is cut from the left; the persona stays,
        and of the reply what fits into half of the model's context.

        Raises:
            RewardModelError: a score that is not finite.
        """
        rows = [self._encode(case, reply) for case in cases for reply in case.candidates]
        values = torch.empty(len(rows))
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            values[batch] = self._score_batch([rows[place] for place in batch])
        if not bool(torch.isfinite(values).all()):
            raise RewardModelError(f"the {self.name} gave a score that is not finite: try it in float32")
        scores = iter(values.tolist())
        return [tuple(next(scores) for _ in case.candidates) for case in cases]

    def _encode(self, case: Ranked, reply: str) -> list[int]:
        turns = with_persona(case.prompt, case.persona)
        answer = self._chat.encode_completion(turns, (Message(role="assistant", content=reply),)).ids
        answer = answer[: self._max_tokens // 2]
        prompt, _, _ = shorten_prompt(self._chat, turns, max_tokens=self._max_tokens - len(answer))
        return [*prompt, *answer]

    def _score_batch(self, rows: Sequence[list[int]]) -> torch.Tensor:
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self._padding, dtype=torch.int64)
        seen = torch.zeros(len(rows), width, dtype=torch.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            seen[place, : len(row)] = 1
        device = next(self._model.parameters()).device
        with torch.inference_mode():
            logits = self._model(input_ids=ids.to(device), attention_mask=seen.to(device)).logits
        scores: torch.Tensor = logits.float().reshape(len(rows), -1)[:, 0].cpu()
        return scores


def load_reward_model(
    name: str,
    *,
    revision: str | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
) -> SequenceRewardModel:
    """Loads a reward model by hub name or directory. No code that comes with a model is ever run.

    Raises:
        RewardModelError: no such model, hub out of reach, wrong files, or other than one output.
    """
    is_directory = Path(name).expanduser().is_dir()
    source = str(Path(name).expanduser()) if is_directory else name
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source,
            revision=revision,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            trust_remote_code=False,
        )
    except Exception as error:
        where = (
            "check that the directory holds config.json, tokenizer files and safetensors weights"
            if is_directory
            else "check the spelling (owner/name) and that the hub can be reached, or give a directory"
        )
        raise RewardModelError(f"cannot load the reward model {name!r} ({type(error).__name__}): {where}") from None
    if report["missing_keys"]:
        # A causal LM loads too, with a head of random weights, and would rank by chance.
        raise RewardModelError(f"{name!r} has no trained scoring head: it is not a reward model")
    public = Path(source).resolve().name if is_directory else name
    return SequenceRewardModel(name=public, model=model.to(pick_device(device)), tokenizer=tokenizer)
