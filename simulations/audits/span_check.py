"""Which tokens were trained on, by the span that an update lies in: the check of DAGER (Petrov et al., 2024,
arXiv:2405.15586), for what an adapter shares.

The inputs of the first block's projections depend on the token alone: x_v for token v. Their gradients are sums over
tokens, so that what is shared lies in a span that the tokens decide:

    factor   gradient                      rows lie in the span of
    B        Σ_t g_t (A x_t)ᵀ              A x_v of the tokens    (out, r): of r dimensions
    core     Σ_t (Bᵀ g_t) (A x_t)ᵀ         A x_v                  (r, r)
    A        Σ_t (Bᵀ g_t) x_tᵀ             x_v                    (r, in): r of them a layer; zero while B is

With fewer distinct tokens than dimensions (for A: at most as many as rows) a token is in the span if and only if it was
there, up to coincidence. With more, the span is everything or a part of what it should be; then what is left is how
much of the update lies along a token's vector, which says something and proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from shared.adapter import AdaptedModel
from shared.adapter_methods import Factor
from shared.adapter_spec import AdapterSpec

_Floats = NDArray[np.float64]
_SAME = 1e-4  # relative difference of two inputs that are one
_LEAST_ROOM = 3  # dimensions beside the span, so that no token lies in it by chance
_RESIDUAL = 1e-3  # relative length outside of the span that float32 leaves
_TINY = 1e-12
_CHUNK = 512
_PROBES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class SpanBlock:
    """What is shared of layers that read one input.

    Attributes:
        rows: (n, m) of the update.
        candidates: (V, m) where each token's part of the rows would lie.
    """

    rows: _Floats
    candidates: _Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class SpanScores:
    """Attributes:
    scores: (V,) the higher, the more likely the token was there.
    recovered: token ids that lie in a layer's span; None where spans hold everything, or noise hides them.
    dimensions: of the largest block's span, and `room` of the space it lies in.
    """

    scores: _Floats
    recovered: frozenset[int] | None
    dimensions: int
    room: int


def token_inputs(adapted: AdaptedModel) -> Mapping[str, _Floats]:
    """(V, in) by layer: what each token makes the layer read, for the adapted layers where nothing else matters.

    Found by trying: a layer counts if tokens in a row give what each gives alone. Of a model that adds positions to its
    embeddings there is none.
    """
    vocabulary = int(adapted.language_model.model.get_input_embeddings().weight.shape[0])
    spread = np.linspace(0, vocabulary - 1, min(_PROBES, vocabulary)).astype(np.int64)
    alone = _inputs(adapted, spread[:, None], adapted.layer_names)
    in_a_row = _inputs(adapted, spread[None, :], adapted.layer_names)
    found = [name for name in adapted.layer_names if _same(alone[name][:, 0], in_a_row[name][0])]
    # Projections that read one input share one table of it.
    first = {name: next(other for other in found if _same(alone[other], alone[name])) for name in found}
    tables = sorted(set(first.values()))
    parts = [
        _inputs(adapted, np.arange(start, min(start + _CHUNK, vocabulary))[:, None], tables)
        for start in range(0, vocabulary if tables else 0, _CHUNK)
    ]
    table_of = {name: np.concatenate([part[name][:, 0] for part in parts]) for name in tables}
    return {name: table_of[first[name]] for name in found}


def span_blocks(
    spec: AdapterSpec, state: NDArray[np.float32], update: NDArray[np.floating], *, round_number: int,
    inputs: Mapping[str, _Floats], frozen: Mapping[str, _Floats],
) -> Sequence[SpanBlock]:  # fmt: skip
    """What an update of a round says about first-block tokens.

    Args:
        state: (state_dimension,) that the round began with, public.
        update: (update_dimension,) in whatever scale.
        inputs: of `token_inputs`.
        frozen: (r, in) A by layer, where it is not in the state (`frozen_factors`).
    """
    known = {(layer, factor): values for layer, factor, values in spec.arrays(state)}
    rows_of_a: list[tuple[str, _Floats]] = []
    blocks: list[SpanBlock] = []
    for layer, factor, values in _parts(spec, update, round_number):
        if layer not in inputs:
            continue
        if factor == "a":
            rows_of_a.append((layer, values))
        elif factor in ("b", "core"):
            a = np.asarray(known.get((layer, "a"), frozen.get(layer)), dtype=np.float64)
            blocks.append(SpanBlock(rows=values, candidates=inputs[layer] @ a.T))
    while rows_of_a:  # layers that read the same x share one span: their rows are one block
        first = inputs[rows_of_a[0][0]]
        same = [(layer, values) for layer, values in rows_of_a if _same(inputs[layer], first)]
        rows_of_a = [one for one in rows_of_a if all(one[0] != layer for layer, _ in same)]
        rows = np.concatenate([values for _, values in same])
        if np.abs(rows).max() > 0:  # of a fresh adapter they are zero
            blocks.append(SpanBlock(rows=rows, candidates=first))
    return blocks


def frozen_factors(adapted: AdaptedModel) -> Mapping[str, _Floats]:
    """(r, in) A of every layer as the model holds it."""
    found: dict[str, _Floats] = {}
    for name, layer in zip(adapted.layer_names, adapted.layers, strict=True):
        module = layer.lora_A["default"]
        weight = getattr(module, "inner", module).weight
        found[name] = weight.detach().double().cpu().numpy()
    return found


def span_scores(blocks: Sequence[SpanBlock], *, noise_std: float = 0.0) -> SpanScores:
    """How likely each token was there.

    Args:
        noise_std: of one number of the update, which whoever attacks knows from the plan: directions no longer than
            noise makes them are not taken for the update's.

    Raises:
        ValueError: no blocks.
    """
    if not blocks:
        raise ValueError("there is no block to check")
    spans: list[_Floats] = []
    alignments: list[_Floats] = []
    members: list[NDArray[np.bool_]] = []
    dimensions, room = 0, 0
    for block in blocks:
        n, m = block.rows.shape
        values, basis = np.linalg.svd(block.rows, full_matrices=False)[1:]
        # The longest direction of pure noise (Marchenko and Pastur); without noise, of float32's rounding.
        least = max(1.05 * noise_std * (math.sqrt(n) + math.sqrt(m)), 1e-5 * float(values[0]), _TINY)
        kept = int((values > least).sum())
        unit = block.candidates / np.maximum(np.linalg.norm(block.candidates, axis=1, keepdims=True), _TINY)
        if m - kept > room - dimensions or not room:
            dimensions, room = kept, m
        if 0 < kept < m:
            outside = unit - (unit @ basis[:kept].T) @ basis[:kept]
            residual = np.linalg.norm(outside, axis=1)
            spans.append(-np.log(residual + _TINY))
            if m - kept >= _LEAST_ROOM:
                members.append(residual < _RESIDUAL)
        alignments.append(_standardised(np.linalg.norm(unit @ block.rows.T, axis=1)))
    scores = np.sum(spans, axis=0) if spans else np.sum(alignments, axis=0)
    recovered = None
    if members and noise_std == 0:
        recovered = frozenset(np.flatnonzero(np.logical_or.reduce(members)).tolist())
    return SpanScores(scores=scores, recovered=recovered, dimensions=dimensions, room=room)


def _parts(spec: AdapterSpec, update: NDArray[np.floating], round_number: int) -> Iterator[tuple[str, Factor, _Floats]]:
    trained = spec.config.federation.factors(round_number)
    for layer, factor, values in spec.arrays(spec.expand(update, round_number)):
        if factor in trained:
            yield layer, factor, values.astype(np.float64)


def _inputs(adapted: AdaptedModel, ids: NDArray[np.int64], names: Sequence[str]) -> dict[str, _Floats]:
    """(batch, tokens, in) by layer: what layers read while the base model reads token ids (batch, tokens)."""
    found: dict[str, _Floats] = {}

    def keep(name: str, _module: nn.Module, read: tuple[torch.Tensor, ...]) -> None:
        found[name] = read[0].detach().double().cpu().numpy()

    model = adapted.language_model
    with ExitStack() as stack, torch.inference_mode():
        for name, layer in zip(adapted.layer_names, adapted.layers, strict=True):
            if name in names:
                module = layer.get_base_layer()
                stack.callback(module.register_forward_pre_hook(partial(keep, name)).remove)
        model.model(input_ids=torch.from_numpy(ids).to(model.device), use_cache=False)
    return found


def _same(one: _Floats, other: _Floats) -> bool:
    if one is other or one.shape != other.shape:
        return one is other
    return bool(np.abs(one - other).max() <= _SAME * max(float(np.abs(one).max()), _TINY))


def _standardised(values: _Floats) -> _Floats:
    return np.asarray((values - values.mean()) / max(float(values.std()), _TINY))
