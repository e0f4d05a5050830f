"""How likely each of many answers to one prompt is. The prompt is read once, and what was read is every answer's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from shared.chat_format import shorten_prompt
from shared.conversation import Message
from shared.language_model import LanguageModel, LanguageModelError


@torch.inference_mode()
def answer_log_probabilities(
    model: LanguageModel, prompt: Sequence[Message], answers: Sequence[Sequence[Message]]
) -> Tensor:
    """(answers,) float32, on the CPU: as `LanguageModel.log_probabilities` gives, to float tolerance.

    Raises:
        LanguageModelError: the architecture keeps no keys and values; ChatTemplateError: as there.
    """
    tails = [model.chat.encode_completion(prompt, answer) for answer in answers]
    longest = max(len(tail.ids) for tail in tails)
    head = shorten_prompt(model.chat, prompt, max_tokens=model.context_length - longest)[0]
    ids = torch.zeros(len(tails), longest, dtype=torch.int64)
    scored = torch.zeros(len(tails), longest)
    seen = torch.ones(len(tails), len(head) + longest, dtype=torch.int64)
    for row, tail in enumerate(tails):
        ids[row, : len(tail.ids)] = torch.tensor(tail.ids)
        scored[row, : len(tail.ids)] = torch.tensor(tail.scored, dtype=torch.float32)
        seen[row, len(head) + len(tail.ids) :] = 0
    ids, scored, seen = ids.to(model.device), scored.to(model.device), seen.to(model.device)
    cache = DynamicCache(config=model.model.config.get_text_config())
    read = model.model(
        input_ids=torch.tensor([head], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    if read.past_key_values is not cache:
        raise LanguageModelError(f"the architecture {model.model.config.model_type!r} keeps no keys and values")
    cache.batch_repeat_interleave(len(tails))
    places = torch.arange(len(head), len(head) + longest, device=model.device).expand(len(tails), -1)
    said = model.model(
        input_ids=ids, attention_mask=seen, position_ids=places, past_key_values=cache, use_cache=True
    ).logits
    # Each token is predicted where the one before it is read: the first by the prompt's last.
    before = torch.cat([read.logits[:, -1:].expand(len(tails), -1, -1), said[:, :-1]], dim=1).float()
    found = before.gather(-1, ids[..., None])[..., 0] - before.logsumexp(-1)
    return (found * scored).sum(-1).cpu()
