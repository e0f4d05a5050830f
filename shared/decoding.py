"""Autoregressive decoding of a batch of prompts, such that no reply depends on what is decoded beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel


class UndecodableModelError(RuntimeError):
    """A model keeps no keys and values."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a batch is decoded.

    Attributes:
        limit: tokens of a reply, at most.
        temperature: 0 is greedy.
        samples: replies a prompt.
        stops: token ids that end a reply.
        padding: a token id to fill prompts with, on the left.
    """

    limit: int
    temperature: float
    samples: int
    stops: tuple[int, ...]
    padding: int


@torch.inference_mode()
def decode(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    draws: Sequence[NDArray[np.float64]] | None,
    settings: Decoding,
) -> list[tuple[list[int], bool]]:
    """(tokens, whether it ended by itself) of `samples` replies to each prompt, prompt by prompt.

    One prefill a prompt, then a copy of its keys and values for every sample. A row leaves the batch when its reply has
    ended: replies differ in length, and a batch that waits for its longest costs more than twice as much.

    Args:
        draws: (limit,) uniform numbers of each reply (`uniform_draws`), by which its tokens are drawn; None is greedy.

    Raises:
        UndecodableModelError: the architecture keeps its state in another way.
    """
    device = next(model.parameters()).device
    width = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), width), settings.padding, dtype=torch.int64)
    seen = torch.zeros(len(prompts), width, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        seen[row, width - len(prompt) :] = 1
    ids, seen = ids.to(device), seen.to(device)
    # Apple's GPUs have no float64.
    precision = torch.float32 if device.type == "mps" else torch.float64
    uniform = None if draws is None else torch.tensor(np.stack(draws), dtype=precision, device=device)
    stops = torch.tensor(settings.stops, dtype=torch.int64, device=device)
    cache = DynamicCache(config=model.config.get_text_config())
    positions = (seen.cumsum(dim=1) - 1).clamp(min=0)
    logits = _continue(model, ids, seen, positions, cache)
    position = positions[:, -1:]
    if settings.samples > 1:
        cache.batch_repeat_interleave(settings.samples)
        logits, seen, position = (part.repeat_interleave(settings.samples, dim=0) for part in (logits, seen, position))
    written: list[list[int]] = [[] for _ in range(len(prompts) * settings.samples)]
    finished = [False] * len(written)
    rows = torch.arange(len(written), device=device)
    for step in range(settings.limit):
        chosen = pick(logits / (settings.temperature or 1.0), None if uniform is None else uniform[rows, step])
        ended = torch.isin(chosen, stops)
        for row, token, is_end in zip(rows.tolist(), chosen.tolist(), ended.tolist(), strict=True):
            if is_end:
                finished[row] = True
            else:
                written[row].append(token)
        going = (~ended).nonzero()[:, 0]
        if len(going) == 0 or step == settings.limit - 1:
            break
        if len(going) < len(rows):
            cache.batch_select_indices(going)
            rows, seen, position, chosen = rows[going], seen[going], position[going], chosen[going]
        position = position + 1
        seen = torch.cat([seen, torch.ones_like(position)], dim=1)
        logits = _continue(model, chosen[:, None], seen, position, cache)
    return list(zip(written, finished, strict=True))


def pick(logits: Tensor, uniform: Tensor | None) -> Tensor:
    """(rows,) the likeliest token, or the one at each row's uniform number along the cumulative distribution.

    Args:
        logits: (rows, vocabulary), temperature applied.
        uniform: (rows,) in [0, 1), in the precision to sum with; or None.
    """
    if uniform is None:
        return logits.argmax(dim=-1)
    cumulative = torch.softmax(logits.to(uniform.dtype), dim=-1).cumsum(dim=-1)
    found = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)[:, 0]
    return found.clamp(max=logits.shape[-1] - 1)


def uniform_draws(seed: int, conversation: int, sample: int, count: int) -> NDArray[np.float64]:
    """(count,) numbers in [0, 1) that belong to one reply, whatever else is decoded beside it."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, conversation, sample]))).random(count)


def _continue(model: PreTrainedModel, ids: Tensor, seen: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
    """(rows, vocabulary) float32: logits after the last of `ids`; their keys and values go into the cache."""
    out = model(
        input_ids=ids,
        attention_mask=seen,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    if out.past_key_values is not cache:
        raise UndecodableModelError
    last: Tensor = out.logits[:, -1].float()
    return last
