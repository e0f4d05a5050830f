"""A preference pair as one packed row: [prompt | chosen | rejected].

The prompt is read once for both replies. The rejected reply cannot see the chosen one, and its positions start again
where the prompt ends, so every log-probability is that of the reply right after the prompt. And one row is one pair:
the row's gradient is the pair's gradient, which is what per-pair clipping needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from client.persona_dpo import PairLogProbabilities
from client.prompts import with_persona
from shared.chat_format import ScoredTokens, shorten_prompt
from shared.conversation import PreferencePair
from shared.language_model import LanguageModel, LanguageModelError

_FULL, _SLIDING = "full_attention", "sliding_attention"


class UnsupportedArchitectureError(LanguageModelError):
    """Packed rows would be computed wrongly on this architecture, so it is refused by name."""


@dataclass(frozen=True, kw_only=True, repr=False)
class EncodedPair:
    """A pair's tokens, cut to size.

    Attributes:
        prompt: token ids, the persona among them.
        chosen, rejected: token ids, and which are scored.
        prompt_was_cut, completion_was_cut: whether anything was left out.
    """

    prompt: tuple[int, ...]
    chosen: ScoredTokens
    rejected: ScoredTokens
    prompt_was_cut: bool = False
    completion_was_cut: bool = False

    def __len__(self) -> int:
        return len(self.prompt) + len(self.chosen.ids) + len(self.rejected.ids)

    def __repr__(self) -> str:
        return f"EncodedPair({len(self.prompt)} + {len(self.chosen.ids)} + {len(self.rejected.ids)} tokens)"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PackedBatch:
    """Rows of pairs, padded on the right.

    Attributes:
        input_ids, position_ids: (pairs, tokens) int64.
        attention_mask: (pairs, 1, tokens, tokens), or one of those per layer type: additive floats, right under every
            attention that takes a mask.
        rows, sources, targets: (scored,) int64: row, position after which the token is predicted, token.
        is_rejected: (scored,) bool.
        chosen_tokens, rejected_tokens: (pairs,) int64, scored tokens.
        token_count: tokens without padding.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor | dict[str, Tensor]
    rows: Tensor
    sources: Tensor
    targets: Tensor
    is_rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    token_count: int

    def __len__(self) -> int:
        return int(self.input_ids.shape[0])


def encode_pair(
    language_model: LanguageModel, pair: PreferencePair, *, max_prompt_tokens: int, max_completion_tokens: int
) -> EncodedPair:
    """Tokenises a pair under its persona and cuts it to size.

    Completions are cut on the right. The prompt is cut on the left; persona and last user turn stay. Both limits shrink
    to what the model's context holds.

    Raises:
        ChatTemplateError: the chat template cannot express the pair.
    """
    context = language_model.context_length
    completion_limit = min(max_completion_tokens, context // 2)
    prompt_limit = min(max_prompt_tokens, context - completion_limit)
    messages = with_persona(pair.prompt, pair.persona)
    chat = language_model.chat
    prompt, kept, was_cut = shorten_prompt(chat, messages, max_tokens=prompt_limit)
    # The replies are rendered after the turns that were kept: what comes before a turn never changes its tokens.
    chosen, rejected = (chat.encode_completion(kept, reply) for reply in (pair.chosen, pair.rejected))
    return EncodedPair(
        prompt=tuple(prompt),
        chosen=_cut_right(chosen, completion_limit),
        rejected=_cut_right(rejected, completion_limit),
        prompt_was_cut=was_cut,
        completion_was_cut=max(len(chosen.ids), len(rejected.ids)) > completion_limit,
    )


def pack(language_model: LanguageModel, pairs: Sequence[EncodedPair]) -> PackedBatch:
    """Lays pairs out as rows of one batch.

    Raises:
        ValueError: no pairs.
        UnsupportedArchitectureError: the model has layers for which no mask is known.
    """
    if not pairs:
        raise ValueError("a packed batch needs at least one pair")
    width = max(len(pair) for pair in pairs)
    ids = torch.zeros(len(pairs), width, dtype=torch.int64)
    positions = torch.zeros(len(pairs), width, dtype=torch.int64)
    part = torch.full((len(pairs), width), 3, dtype=torch.int8)  # 0 prompt, 1 chosen, 2 rejected, 3 padding
    where: list[tuple[int, int, int, int]] = []
    for row, pair in enumerate(pairs):
        p, c, r = len(pair.prompt), len(pair.chosen.ids), len(pair.rejected.ids)
        ids[row, : p + c + r] = torch.tensor((*pair.prompt, *pair.chosen.ids, *pair.rejected.ids))
        positions[row, : p + c] = torch.arange(p + c)
        positions[row, p + c : p + c + r] = torch.arange(p, p + r)
        part[row, :p], part[row, p : p + c], part[row, p + c : p + c + r] = 0, 1, 2
        for side, (reply, begin) in enumerate(((pair.chosen, p), (pair.rejected, p + c))):
            for place, (token, scored) in enumerate(zip(reply.ids, reply.scored, strict=True)):
                if scored:
                    # The first token of either reply is predicted from the prompt's last position.
                    where.append((row, begin + place - 1 if place else p - 1, token, side))
    index = torch.tensor(where, dtype=torch.int64).reshape(-1, 4)
    counts = torch.zeros(len(pairs), 2, dtype=torch.int64)
    counts.index_put_((index[:, 0], index[:, 3]), torch.ones(len(index), dtype=torch.int64), accumulate=True)
    device = language_model.device
    return PackedBatch(
        input_ids=ids.to(device),
        position_ids=positions.to(device),
        attention_mask=_attention_masks(language_model, part, positions),
        rows=index[:, 0].to(device),
        sources=index[:, 1].to(device),
        targets=index[:, 2].to(device),
        is_rejected=(index[:, 3] == 1).to(device),
        chosen_tokens=counts[:, 0].to(device),
        rejected_tokens=counts[:, 1].to(device),
        token_count=sum(len(pair) for pair in pairs),
    )


def packed_log_probabilities(language_model: LanguageModel, batch: PackedBatch) -> PairLogProbabilities:
    """Summed log-probabilities of both replies of every pair, (pairs,) nats each, from one forward pass."""
    scores = language_model.scored_log_probabilities(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=batch.attention_mask,
        rows=batch.rows,
        sources=batch.sources,
        targets=batch.targets,
    )
    slots = torch.zeros(2 * len(batch), device=scores.device)
    sums = slots.index_add(0, 2 * batch.rows + batch.is_rejected.long(), scores)
    return PairLogProbabilities(chosen=sums[0::2], rejected=sums[1::2])


def batches_by_length(
    pairs: Sequence[EncodedPair], *, pairs_per_batch: int, tokens_per_batch: int | None = None
) -> Iterator[list[int]]:
    """Indices of pairs in batches of similar length, shortest first: little is spent on padding.

    Args:
        tokens_per_batch: with padding; a longer pair is a batch by itself. None leaves it to the number of pairs.
    """
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index]))
    batch: list[int] = []
    for index in order:
        is_full = len(batch) == pairs_per_batch
        if tokens_per_batch is not None:
            is_full |= (len(batch) + 1) * len(pairs[index]) > tokens_per_batch
        if batch and is_full:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _attention_masks(language_model: LanguageModel, part: Tensor, positions: Tensor) -> Tensor | dict[str, Tensor]:
    """Additive masks from each token's part and restarted position, both (pairs, tokens)."""
    config = language_model.model.config.get_text_config()
    if config._attn_implementation not in ("sdpa", "eager"):
        raise UnsupportedArchitectureError(
            f"packed rows need attention 'sdpa' or 'eager', not {config._attn_implementation!r}"
        )
    place = torch.arange(part.shape[1])
    causal = place.unsqueeze(1) >= place.unsqueeze(0)
    crosses = (part.unsqueeze(2) == 2) & (part.unsqueeze(1) == 1)
    padding = (part == 3).unsqueeze(1) & (place.unsqueeze(1) != place.unsqueeze(0))  # a row with no key at all is NaN
    allowed = causal & ~crosses & ~padding
    kinds = set(getattr(config, "layer_types", None) or ())
    window: int | None = getattr(config, "sliding_window", None)
    if not kinds:
        # Mistral and its kin say nothing of layer types: with a window, every layer has it.
        kinds = {_SLIDING} if window else {_FULL}
        plain = True
    else:
        plain = kinds == {_FULL}
    if not kinds <= {_FULL, _SLIDING} or getattr(config, "use_bidirectional_attention", False):
        raise UnsupportedArchitectureError(
            f"the architecture {config.model_type!r} has layers that packed rows do not fit "
            f"({', '.join(sorted(kinds - {_FULL, _SLIDING})) or 'bidirectional attention'}): choose another base model"
        )
    masks = {_FULL: allowed}
    if _SLIDING in kinds:
        # The window counts positions as each reply sees them, not places in the packed row.
        near = positions.unsqueeze(2) - positions.unsqueeze(1) < (window or positions.shape[1])
        masks[_SLIDING] = allowed & near
    additive = {kind: _additive(masks[kind], language_model) for kind in sorted(kinds)}
    return next(iter(additive.values())) if plain else additive


def _additive(allowed: Tensor, language_model: LanguageModel) -> Tensor:
    # Eager attention ADDS its mask, so booleans would be silently wrong there; floats are right on both.
    dtype = language_model.model.dtype
    mask = torch.zeros(allowed.shape, dtype=dtype).masked_fill_(~allowed, torch.finfo(dtype).min)
    return mask.unsqueeze(1).to(language_model.device)


def _cut_right(tokens: ScoredTokens, limit: int) -> ScoredTokens:
    return ScoredTokens(ids=tokens.ids[:limit], scored=tokens.scored[:limit])
