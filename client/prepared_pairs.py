"""Pairs made ready for training: tokens, and what the reference model says of them, computed once and charged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from client.packing import EncodedPair, batches_by_length, encode_pair, pack, packed_log_probabilities
from client.packing_check import check_architecture
from client.pass_size import tokens_per_pass
from client.persona_dpo import PairLogProbabilities
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair


@dataclass(frozen=True, kw_only=True)
class PairLimits:
    """Attributes:
    max_prompt_tokens, max_completion_tokens: longer ones are cut (`client.packing.encode_pair`).
    pairs_per_pass: how many rows share a forward pass; changes memory and speed only.
    """

    max_prompt_tokens: int
    max_completion_tokens: int
    pairs_per_pass: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PreparedPair:
    """Attributes:
    encoded: the pair's tokens.
    reference_chosen, reference_rejected: nats, under the base model.
    """

    encoded: EncodedPair
    reference_chosen: float
    reference_rejected: float


class CostMeter:
    """Counts what was really run.

    Attributes:
        forwards: pairs put through the model.
        tokens: their tokens, without padding.
    """

    def __init__(self) -> None:
        self.forwards = 0
        self.tokens = 0

    def charge(self, pairs: int, tokens: int) -> None:
        """Adds a pass."""
        self.forwards += pairs
        self.tokens += tokens


class ReferencePass(Protocol):
    """What `forward_pairs` does."""

    def __call__(
        self, adapted: AdaptedModel, pairs: Sequence[EncodedPair], limits: PairLimits, *, meter: CostMeter
    ) -> PairLogProbabilities: ...


_Key = tuple[PreferencePair, int, int, str]


class PairCache:
    """Remembers prepared pairs between rounds: the base model never changes, so neither do they.

    Keyed by pair, limits and base model; least recently used pairs go first. It lives in memory, on the device only,
    and its `repr` shows no content.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._pairs: OrderedDict[_Key, PreparedPair] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return f"PairCache({len(self)} of {self._capacity} pairs)"

    def get(self, key: _Key) -> PreparedPair | None:
        """What is known of a pair under these limits and this base model."""
        found = self._pairs.get(key)
        if found is not None:
            self._pairs.move_to_end(key)
        return found

    def keep_only(self, pairs: Sequence[PreferencePair]) -> None:
        """Drops what is known of any other pair: what its user has forgotten must not stay in memory."""
        kept = set(pairs)
        for key in [key for key in self._pairs if key[0] not in kept]:
            del self._pairs[key]

    def put(self, key: _Key, prepared: PreparedPair) -> None:
        """Remembers a pair."""
        self._pairs[key] = prepared
        while len(self._pairs) > self._capacity:
            self._pairs.popitem(last=False)


def prepare_pairs(
    adapted: AdaptedModel,
    pairs: Sequence[PreferencePair],
    limits: PairLimits,
    *,
    meter: CostMeter,
    cache: PairCache | None = None,
    reference_pass: ReferencePass | None = None,
) -> list[PreparedPair]:
    """Tokenises pairs and runs the reference model (adapter off) on those that the cache does not know.

    Args:
        reference_pass: runs it in the place of `forward_pairs`.

    Raises:
        UnsupportedArchitectureError, ChatTemplateError: see `client.packing_check` and `shared.chat_format`.
    """
    known: dict[int, PreparedPair] = {}
    new: dict[int, EncodedPair] = {}
    keys: list[_Key] = [
        (pair, limits.max_prompt_tokens, limits.max_completion_tokens, adapted.spec.base_fingerprint) for pair in pairs
    ]
    for index, key in enumerate(keys):
        found = cache.get(key) if cache is not None else None
        if found is not None:
            known[index] = found
        else:
            new[index] = encode_pair(
                adapted.language_model,
                pairs[index],
                max_prompt_tokens=limits.max_prompt_tokens,
                max_completion_tokens=limits.max_completion_tokens,
            )
    with adapted.disabled():
        check_architecture(adapted.language_model)
        reference = (reference_pass or forward_pairs)(adapted, list(new.values()), limits, meter=meter)
    for place, (index, encoded) in enumerate(new.items()):
        known[index] = PreparedPair(
            encoded=encoded,
            reference_chosen=float(reference.chosen[place]),
            reference_rejected=float(reference.rejected[place]),
        )
        if cache is not None:
            cache.put(keys[index], known[index])
    return [known[index] for index in range(len(pairs))]


def forward_pairs(
    adapted: AdaptedModel, pairs: Sequence[EncodedPair], limits: PairLimits, *, meter: CostMeter
) -> PairLogProbabilities:
    """(n,) log-probabilities on the CPU, in the order given, without gradients, under whatever adapter is on."""
    chosen, rejected = torch.zeros(len(pairs)), torch.zeros(len(pairs))
    tokens = tokens_per_pass(adapted.language_model)
    for indices in batches_by_length(pairs, pairs_per_batch=limits.pairs_per_pass, tokens_per_batch=tokens):
        batch = pack(adapted.language_model, [pairs[index] for index in indices])
        meter.charge(len(batch), batch.token_count)
        with torch.inference_mode():
            scores = packed_log_probabilities(adapted.language_model, batch)
        chosen[indices], rejected[indices] = scores.chosen.cpu(), scores.rejected.cpu()
    return PairLogProbabilities(chosen=chosen, rejected=rejected)


def reference_of(pairs: Sequence[PreparedPair], *, device: torch.device | None = None) -> PairLogProbabilities:
    """(n,) reference log-probabilities of prepared pairs, as tensors."""
    return PairLogProbabilities(
        chosen=torch.tensor([pair.reference_chosen for pair in pairs], device=device),
        rejected=torch.tensor([pair.reference_rejected for pair in pairs], device=device),
    )
