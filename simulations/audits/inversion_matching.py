"""Gradient matching: a text is sought whose update is the one that was seen (Deng et al., 2021, TAG; Balunović et al.,
2022, LAMP, arXiv:2202.08827).

First over distributions of tokens: the mean cosine between each factor's gradient and what was seen, plus a pull to one
token a place. Then over tokens: at one place after another the tokens that the gradient favours are tried in earnest.
Whoever attacks knows model, adapter, plan, how long the pair's parts are and, in places that are `known`, the tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cosine_similarity, one_hot

from client.packing import EncodedPair, pack
from client.training import TrainingConfig
from shared.adapter import AdaptedModel

_SURENESS = 0.01
_RATE = 0.3
_TINY = 1e-12
_EXACT = 0.999


@dataclass(frozen=True, kw_only=True)
class MatchingEffort:
    """Attributes:
    steps: of gradient descent over distributions.
    sweeps: over the unknown places, token by token, until one changes nothing.
    tried: tokens at each place.
    starts: of the sweeps: the first where the descent ended, the others at random; the best counts.
    seed: of where descent and sweeps begin.
    """

    steps: int = 200
    sweeps: int = 3
    tried: int = 64
    starts: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """Attributes:
    tokens: (T,) of the packed row, the known ones among them.
    likeness: mean cosine with what was seen, from -1 to 1.
    """

    tokens: NDArray[np.int64]
    likeness: float


class _Matching:
    """The update that a row of token distributions would give, beside the one that was seen.

    Of a fresh adapter, whose policy is its reference, in the first round: the margin is zero.
    """

    def __init__(
        self, adapted: AdaptedModel, seen: NDArray[np.floating], row: EncodedPair, config: TrainingConfig
    ) -> None:
        self._model = adapted.language_model
        self._config = config
        adapted.load(adapted.beginning())
        self._parameters = adapted.shared_parameters()
        self._batch = pack(self._model, [row])
        self._embeddings = self._model.model.get_input_embeddings().weight
        sizes = [parameter.numel() for parameter in self._parameters]
        # An update steps against the gradient.
        whole = torch.from_numpy(-np.asarray(seen, dtype=np.float32)).to(self._model.device)
        self._seen: Sequence[Tensor] = torch.split(whole, sizes)
        before, chosen = len(row.prompt), len(row.chosen.ids)
        places = [before + place for place, scored in enumerate(row.chosen.scored) if scored]
        places += [before + chosen + place for place, scored in enumerate(row.rejected.scored) if scored]
        self._targets = torch.tensor(places, device=self._model.device)

    @property
    def vocabulary(self) -> int:
        return int(self._embeddings.shape[0])

    def likeness(self, shares: Tensor, *, differentiable: bool) -> Tensor:
        """Mean cosine, of (T, V) distributions."""
        batch, rejected = self._batch, self._batch.is_rejected
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            logits = self._model.model(
                inputs_embeds=(shares.to(self._embeddings) @ self._embeddings)[None],
                position_ids=batch.position_ids,
                attention_mask=batch.attention_mask,
                use_cache=False,
            ).logits[0]
        shares = shares.to(logits.device)
        scores = (shares[self._targets] * logits[batch.sources].float().log_softmax(-1)).sum(-1)
        chosen, other = scores[~rejected].sum(), scores[rejected].sum()
        config = self._config
        weight = 0.5 * config.beta if config.objective == "dpo" else 0.0
        loss = -weight * (chosen - other) - config.nll_weight * chosen / (~rejected).sum()
        made = torch.autograd.grad(loss, self._parameters, create_graph=differentiable, allow_unused=True)
        cosines = [
            cosine_similarity(one.reshape(-1), seen, dim=0, eps=_TINY)
            for one, seen in zip(made, self._seen, strict=True)
            if one is not None and float(seen.norm()) > 0
        ]
        return torch.stack(cosines).mean()


def match_update(
    adapted: AdaptedModel,
    seen: NDArray[np.floating],
    row: EncodedPair,
    known: Sequence[bool],
    prior: NDArray[np.floating],
    config: TrainingConfig,
    *,
    effort: MatchingEffort,
    allowed: frozenset[int] | None = None,
) -> Match:
    """Seeks the tokens of one pair in the update of a first round.

    Args:
        seen: (d,) an update in whatever scale, with whatever noise.
        row: its lengths and known tokens are read; tokens elsewhere are not.
        known: (T,) in the order prompt, chosen, rejected.
        prior: (V,) how often each token is met, above 0.
        allowed: tokens to choose from, as the span check may have found; None is all.
    """
    blind = _without(row, known)
    matching = _Matching(adapted, seen, blind, config)
    ids = torch.tensor((*blind.prompt, *blind.chosen.ids, *blind.rejected.ids))
    unknown = torch.tensor([place for place, is_known in enumerate(known) if not is_known], dtype=torch.int64)
    choices = torch.arange(matching.vocabulary) if allowed is None else torch.tensor(sorted(allowed))
    guessed = _descend(matching, ids, unknown, choices, prior, effort)
    generator = torch.Generator().manual_seed(effort.seed)
    asked: dict[tuple[int, ...], float] = {}
    best: Match | None = None
    for start in range(effort.starts):
        tokens = ids.clone()
        drawn = torch.randint(len(choices), (len(unknown),), generator=generator)
        tokens[unknown] = choices[drawn if start else guessed.argmax(-1)]
        likeness = _substitute(matching, tokens, unknown, choices, effort, asked)
        if best is None or likeness > best.likeness:
            best = Match(tokens=tokens.numpy().copy(), likeness=likeness)
        if best.likeness > _EXACT:
            break
    if best is None:
        raise ValueError("an effort needs a start")
    return best


def rouge(guess: str, truth: str) -> tuple[float, float]:
    """ROUGE-1 and ROUGE-L, F1 over words (Lin, 2004)."""
    one, other = guess.lower().split(), truth.lower().split()
    if not one or not other:
        return 0.0, 0.0
    shared = sum((Counter(one) & Counter(other)).values())
    line = [0] * (len(other) + 1)
    for word in one:
        before = line[:]
        for place, said in enumerate(other):
            line[place + 1] = before[place] + 1 if word == said else max(before[place + 1], line[place])
    return 2 * shared / (len(one) + len(other)), 2 * line[-1] / (len(one) + len(other))


def _without(row: EncodedPair, known: Sequence[bool]) -> EncodedPair:
    """The row with token 0 wherever nothing is known: so that nothing else can be read from it."""
    tokens = [
        token if is_known else 0
        for token, is_known in zip((*row.prompt, *row.chosen.ids, *row.rejected.ids), known, strict=True)
    ]
    prompt, chosen = len(row.prompt), len(row.chosen.ids)
    return EncodedPair(
        prompt=tuple(tokens[:prompt]),
        chosen=type(row.chosen)(ids=tuple(tokens[prompt : prompt + chosen]), scored=row.chosen.scored),
        rejected=type(row.rejected)(ids=tuple(tokens[prompt + chosen :]), scored=row.rejected.scored),
    )


def _descend(
    matching: _Matching, ids: Tensor, unknown: Tensor, choices: Tensor, prior: NDArray[np.floating],
    effort: MatchingEffort,
) -> Tensor:  # fmt: skip
    generator = torch.Generator().manual_seed(effort.seed)
    begun = torch.from_numpy(np.log(np.asarray(prior, dtype=np.float64)))[choices].float()
    logits = begun[None] + 0.1 * torch.randn(len(unknown), len(choices), generator=generator)
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=_RATE)
    fixed = one_hot(ids, matching.vocabulary).float()
    for step in range(effort.steps):
        shares = logits.softmax(-1)
        wide = torch.zeros(len(unknown), matching.vocabulary).index_copy(1, choices, shares)
        unsure = -(shares * shares.clamp_min(_TINY).log()).sum(-1).mean()
        likeness = matching.likeness(fixed.index_copy(0, unknown, wide), differentiable=True)
        objective = _SURENESS * (step / effort.steps) * unsure - likeness
        optimizer.zero_grad()
        (logits.grad,) = torch.autograd.grad(objective, [logits])
        optimizer.step()
    return logits.detach()


def _substitute(
    matching: _Matching, ids: Tensor, unknown: Tensor, choices: Tensor, effort: MatchingEffort,
    asked: dict[tuple[int, ...], float],
) -> float:  # fmt: skip
    """Changes `ids` in place while that makes the update more like the one seen; how like it is in the end.

    Args:
        asked: likeness by unknown tokens, which is added to: sweeps and starts come by the same texts again.
    """

    def likeness_of(tokens: Tensor) -> float:
        key = tuple(tokens[unknown].tolist())
        if key not in asked:
            rows = one_hot(tokens, matching.vocabulary).float()
            asked[key] = float(matching.likeness(rows, differentiable=False))
        return asked[key]

    best = likeness_of(ids)
    for _ in range(effort.sweeps):
        changed = False
        for place in unknown.tolist():
            shares = one_hot(ids, matching.vocabulary).float().requires_grad_()
            (slope,) = torch.autograd.grad(matching.likeness(shares, differentiable=True), [shares])
            favoured = choices[slope[place, choices].topk(min(effort.tried, len(choices))).indices]
            for token in favoured.tolist():
                tried = ids.clone()
                tried[place] = token
                found = likeness_of(tried)
                if found > best + 1e-6:
                    best, changed = found, True
                    ids[place] = token
        if not changed:
            break
    return best
