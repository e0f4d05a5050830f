"""A check, once per model, that packed rows mean on its architecture what they should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from weakref import WeakSet

import torch

from client.packing import EncodedPair, UnsupportedArchitectureError, pack, packed_log_probabilities
from shared.chat_format import ScoredTokens
from shared.language_model import LanguageModel, LanguageModelError

_PROMPT, _CHOSEN, _REJECTED = 11, 7, 9
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}
_checked: WeakSet[LanguageModel] = WeakSet()


def check_architecture(language_model: LanguageModel) -> None:
    """Compares packed rows with ordinary two-row computation on a made-up pair; does so once per model.

    What a mask means is up to each architecture: attention with position biases, recurrent layers or another attention
    kernel would make packed rows silently wrong. The cost is three short forward passes.

    Raises:
        UnsupportedArchitectureError: they differ, or the model cannot take prepared masks at all.
        LanguageModelError: the model's own log-probabilities are not finite.
    """
    if language_model in _checked:
        return
    name = f"{language_model.model.config.model_type!r} ({language_model.name})"
    probe = probe_pair(language_model)
    try:
        with torch.inference_mode():
            packed = packed_log_probabilities(language_model, pack(language_model, [probe]))
            replies = (probe.chosen.ids, probe.rejected.ids)
            apart = [_plain_log_probability(language_model, probe.prompt, reply) for reply in replies]
    except UnsupportedArchitectureError:
        raise
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
        raise UnsupportedArchitectureError(
            f"the architecture {name} does not take packed rows ({type(error).__name__}): choose another base model"
        ) from None
    if not all(math.isfinite(value) for value in apart):
        raise LanguageModelError(
            f"the base model {language_model.name!r} gives numbers that are not finite: its weights are damaged, or "
            "its dtype is too narrow for them"
        )
    scale = 1.0 + max(abs(value) for value in apart) / 100.0
    tolerance = _TOLERANCE.get(language_model.model.dtype, 0.5) * scale
    difference = max(abs(packed.chosen.item() - apart[0]), abs(packed.rejected.item() - apart[1]))
    if not difference <= tolerance:
        raise UnsupportedArchitectureError(
            f"the architecture {name} computes packed rows wrongly (log-probabilities differ by {difference:.2g} nats):"
            " choose another base model or attention='eager'"
        )
    _checked.add(language_model)


def probe_pair(language_model: LanguageModel, *, shorter_by: int = 0) -> EncodedPair:
    """A pair of made-up tokens, the same for every user; `shorter_by` tokens are left out of each of its replies."""
    vocabulary = int(language_model.model.config.get_text_config().vocab_size)
    tokens = [(7919 * place + 13) % vocabulary for place in range(_PROMPT + _CHOSEN + _REJECTED)]
    return EncodedPair(
        prompt=tuple(tokens[:_PROMPT]),
        chosen=_all_scored(tokens[_PROMPT : _PROMPT + _CHOSEN - shorter_by]),
        rejected=_all_scored(tokens[_PROMPT + _CHOSEN : _PROMPT + _CHOSEN + _REJECTED - shorter_by]),
    )


def _plain_log_probability(language_model: LanguageModel, prompt: Sequence[int], reply: Sequence[int]) -> float:
    """By the model's own causal mask and full logits: nothing here is shared with the packed path."""
    ids = torch.tensor([[*prompt, *reply]], device=language_model.device)
    logits = language_model.model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
    targets = ids[0, len(prompt) :]
    return float(logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).sum())


def _all_scored(ids: Sequence[int]) -> ScoredTokens:
    return ScoredTokens(ids=tuple(ids), scored=(True,) * len(ids))
