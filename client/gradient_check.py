"""A check, once per adapted model, that what Opacus collects from a layer is one gradient a pair.

An architecture may fold pairs and tokens into one axis before a layer (mixtures of experts, some feed-forward blocks),
or an adapter may sit on the LM head, which Tacit feeds with the scored positions of all pairs at once. Rows would then
be tokens, or everything: clipping them bounds nothing about a pair, and no error would say so.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch

from client.packing import EncodedPair, UnsupportedArchitectureError, pack, packed_log_probabilities
from client.packing_check import probe_pair
from client.private_step import PairPrivacy, PrivateStep
from shared.adapter import AdaptedModel
from shared.privacy.noise import SeededTestNoise

_TOLERANCE = {torch.float32: 1e-2}
_HALF_TOLERANCE = 0.25
_checked: WeakKeyDictionary[AdaptedModel, set[int]] = WeakKeyDictionary()


def check_pair_gradients(adapted: AdaptedModel) -> None:
    """Compares collected gradients of two made-up pairs with autograd on each alone. No user's pair is touched.

    The adapter is left as it is, without gradients.

    Raises:
        UnsupportedArchitectureError: they differ: pair-level privacy cannot be had from this model and these modules.
    """
    parameters = adapted.shared_parameters()
    if len(parameters) == 0 or id(parameters[0]) in _checked.setdefault(adapted, set()):
        return  # rounds may differ in what they train
    pairs = [probe_pair(adapted.language_model), probe_pair(adapted.language_model, shorter_by=2)]
    alone = [_gradients(adapted, [pair], collect=False)[0] for pair in pairs]
    try:
        together = _gradients(adapted, pairs, collect=True)
    except (AttributeError, RuntimeError, ValueError) as error:
        raise _unsupported(adapted, type(error).__name__) from None
    if len(together) != len(pairs):
        raise _unsupported(adapted, f"{len(together)} rows for {len(pairs)} pairs")
    tolerance = _TOLERANCE.get(adapted.language_model.model.dtype, _HALF_TOLERANCE)
    for found, expected in zip(together, alone, strict=True):
        if not float((found - expected).norm()) <= tolerance * float(expected.norm()) + 1e-6:
            raise _unsupported(adapted, "its rows are not the pairs' gradients")
    _checked[adapted].add(id(parameters[0]))


def _gradients(adapted: AdaptedModel, pairs: list[EncodedPair], *, collect: bool) -> list[torch.Tensor]:
    """(d,) a row: of each pair as collected, or of all pairs by plain autograd."""
    parameters = adapted.shared_parameters()
    batch = pack(adapted.language_model, pairs)
    # Nothing is drawn and no step is taken: only what collects gradients, and cleans up after itself, is used.
    privacy = PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0)
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    with PrivateStep(adapted, optimizer, privacy, expected_batch_size=1, noise=SeededTestNoise(0)) as step:
        with torch.enable_grad():
            if collect:
                with step.collecting():
                    scores = packed_log_probabilities(adapted.language_model, batch)
                    (scores.chosen - scores.rejected).sum().backward()  # type: ignore[no-untyped-call]
                samples = [parameter.grad_sample for parameter in parameters]  # type: ignore[attr-defined]
                lengths = {len(sample) for sample in samples}
                if len(lengths) != 1:
                    raise ValueError("layers differ in their rows")
                return list(torch.cat([sample.flatten(1) for sample in samples], dim=1).detach().clone())
            scores = packed_log_probabilities(adapted.language_model, batch)
            (scores.chosen - scores.rejected).sum().backward()  # type: ignore[no-untyped-call]
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        return [torch.cat([gradient.flatten() for gradient in found]).detach().clone()]


def _unsupported(adapted: AdaptedModel, why: str) -> UnsupportedArchitectureError:
    model = adapted.language_model
    return UnsupportedArchitectureError(
        f"pair-level privacy cannot be had from the architecture {model.model.config.model_type!r} ({model.name}) with "
        f"these adapted modules ({why}): choose another base model, other target modules or no pair-level privacy"
    )
