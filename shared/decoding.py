"""Autoregressive decoding: of a batch, no reply of which depends on what is decoded beside it, and token by token."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

_READ_AT_ONCE = 512
_KEPT_BYTES = 2**27


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
        top_p: tokens beyond the likeliest that make up this much are not drawn; 1 leaves all.
    """

    limit: int
    temperature: float
    samples: int
    stops: tuple[int, ...]
    padding: int
    top_p: float = 1.0


class ReadPrefix:
    """Keys and values of what one model read and wrote last, so that a prompt that goes on from it is not read anew.

    At most 128 MiB, in memory alone. They are of one state of the model's weights: `forget` when those change. A model
    whose layers attend to a window keeps none. One caller at a time.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._cache: DynamicCache | None = None

    def __repr__(self) -> str:
        return f"ReadPrefix({len(self._ids)} tokens)"

    def forget(self) -> None:
        """Keeps nothing."""
        self._ids, self._cache = [], None

    def take(self, model: PreTrainedModel, prompt: Sequence[int]) -> tuple[DynamicCache, int]:
        """A cache of the prompt's first tokens, and of how many: never of all. It is the caller's from now on."""
        ids, cache = self._ids, self._cache
        self.forget()
        same = 0
        for mine, asked in zip(ids, prompt[:-1], strict=False):
            if mine != asked:
                break
            same += 1
        if cache is None or same == 0:
            return DynamicCache(config=model.config.get_text_config()), 0
        cache.crop(same - len(ids))
        return cache, same

    def keep(self, ids: list[int], cache: DynamicCache) -> None:
        """Keeps a cache of `ids`; nothing if it is too large, of a window, or was left in the middle of a pass."""
        if not ids or not _keeps_all(cache) or any(layer.get_seq_length() != len(ids) for layer in cache.layers):
            return
        tensors = [part for layer in cache.layers for part in (layer.keys, layer.values)]
        if sum(part.numel() * part.element_size() for part in tensors) <= _KEPT_BYTES:
            self._ids, self._cache = ids, cache


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


@torch.inference_mode()
def stream(
    model: PreTrainedModel,
    prompt: Sequence[int],
    draws: NDArray[np.float64] | None,
    settings: Decoding,
    *,
    prefix: ReadPrefix | None = None,
    given_up: Callable[[], bool] = lambda: False,
) -> Generator[int, None, bool]:
    """The tokens of one reply, each as soon as it is chosen; then returns whether the reply ended by itself.

    The same tokens as `decode` gives for one prompt. A long prompt is read in parts, where the architecture allows it,
    so that giving up does not wait for all of it and memory does not grow with its square.

    Args:
        draws: (limit,) uniform numbers; None is greedy.
        prefix: what was read last, and takes what is read now. Rounding aside, it changes no reply.
        given_up: is asked before every pass of the model; True ends the reply there, unfinished.

    Raises:
        UndecodableModelError: the architecture keeps its state in another way.
    """
    device = next(model.parameters()).device
    precision = torch.float32 if device.type == "mps" else torch.float64
    uniform = None if draws is None else torch.tensor(draws, dtype=precision, device=device)
    prefix = prefix or ReadPrefix()
    cache, known = prefix.take(model, prompt)
    read = list(prompt[:known])
    unread = list(prompt[known:])
    at_once = _READ_AT_ONCE if _keeps_all(cache) else len(unread)
    try:
        for step in range(settings.limit):
            while unread:
                if given_up():
                    return False
                part, unread = unread[:at_once], unread[at_once:]
                whole = len(read) + len(part)
                logits = _continue(
                    model,
                    torch.tensor([part], device=device),
                    torch.ones(1, whole, dtype=torch.int64, device=device),
                    torch.arange(len(read), whole, device=device)[None],
                    cache,
                )
                read += part
            drawn = None if uniform is None else uniform[step : step + 1]
            token = int(pick(logits / (settings.temperature or 1.0), drawn, top_p=settings.top_p))
            if token in settings.stops:
                return True
            yield token
            unread = [token]
        return False
    finally:
        prefix.keep(read, cache)


def pick(logits: Tensor, uniform: Tensor | None, *, top_p: float = 1.0) -> Tensor:
    """(rows,) the likeliest token, or the one at each row's uniform number along the cumulative distribution.

    Args:
        logits: (rows, vocabulary), temperature applied.
        uniform: (rows,) in [0, 1), in the precision to sum with; or None.
        top_p: in (0, 1]: drawn is among the likeliest tokens that reach this together, as few as do.
    """
    if uniform is None:
        return logits.argmax(dim=-1)
    chances = torch.softmax(logits.to(uniform.dtype), dim=-1)
    if top_p < 1:
        falling, order = chances.sort(dim=-1, descending=True, stable=True)
        beyond = falling.cumsum(dim=-1) - falling >= top_p
        chances = chances.masked_fill(beyond.gather(-1, order.argsort(dim=-1)), 0.0)
    cumulative = chances.cumsum(dim=-1)
    found = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)[:, 0]
    return found.clamp(max=logits.shape[-1] - 1)


def uniform_draws(seed: int, conversation: int, sample: int, count: int) -> NDArray[np.float64]:
    """(count,) numbers in [0, 1) that belong to one reply, whatever else is decoded beside it."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, conversation, sample]))).random(count)


def _keeps_all(cache: DynamicCache) -> bool:
    """Whether its layers keep every token, and each token's keys and values hang on those before it alone."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


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
