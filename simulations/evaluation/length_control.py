"""The win rate that would be left if both sides wrote equally long: AlpacaEval 2.0's length control.

A judge that prefers longer replies pays a model for length. Dubois et al. (2024, "Length-Controlled AlpacaEval",
arXiv:2404.04475, section 3) explain each preference by a logistic regression and predict it again without the length:

    P(the model's reply wins on instruction i) = sigmoid(theta + phi tanh(delta_i / s) + psi d_i)

with delta_i the model's length minus the baseline's, s the sample standard deviation of delta, and d_i how hard the
instruction is. The length-controlled win rate is the mean over i of sigmoid(theta + psi d_i). delta is scaled and not
centred: zero has to mean "equally long".

How this differs from the reference implementation (`get_length_controlled_winrate` of tatsu-lab/alpaca_eval):

- There d_i comes from a file, estimated once over many models and published for AlpacaEval's 805 instructions only.
  Here the caller gives it or leaves it out. Without it phi also takes what instructions have in common with length: of
  a model that writes longer just where it is stronger, a part of the strength is counted as length.
- There two more models ("concise" and "verbose" prompts of the baseline) are added to the data at weight 0.1 each, to
  hold phi against a model that games it, and an L1 penalty on all three terms is chosen by 5-fold cross-validation.
  Here a fixed ridge of `RIDGE` holds phi and psi and leaves theta free. What the data cannot attribute then goes to the
  model and not to length: where length has no effect the controlled win rate is the raw one.
- There no interval is given. Here whole users, or instructions, are drawn with replacement and everything is fitted
  again, the scale s included.

Edge cases:

| data | result |
|---|---|
| every preference 1, or every one 0 (to 1e-6) | the raw win rate; theta is infinite, so all terms are None |
| all length differences equal, or one comparison | the length term is None: nothing tells length from the model |
| all difficulties equal | the difficulty term is None |
| a judge who goes by length alone, always | fitted; phi is large, and where its step lies is uncertain by a tenth |
| the model always longer (`longer` = 1) | fitted; "equally long" is an extrapolation, and the interval says less |
| fewer than about 30 comparisons or 10 users | fitted; the ridge draws phi to 0, and the interval is too narrow |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from simulations.evaluation.statistics import Estimate

RIDGE = 0.1
"""Of the penalty RIDGE / 2 (phi² + psi²) on a log-likelihood that is summed over comparisons (of mean weight 1): the
prior standard deviation of either term is then about 3, in log-odds."""

DEFAULT_RESAMPLES = 1_000

_Numbers = NDArray[np.float64]

_ITERATIONS = 100
_DECREMENT = 1e-20  # relative to the loss: the terms are then right to about ten digits
_ROUNDING = 1e-12  # of the loss
_EQUAL = 1e-12  # of the largest value
_ONE_SIDED = 1e-6  # from 0 or 1


@dataclass(frozen=True, kw_only=True)
class LengthControl:
    """A win rate with and without length, 1 being a model that always wins.

    Attributes:
        raw: weighted mean of the preferences.
        controlled: the same had both sides been equally long.
        model_term, length_term, difficulty_term: theta, phi and psi, log-odds; None where not estimable (module table).
        length_scale: s, in the unit of the lengths; None with `length_term`.
        longer: share of comparisons in which the model's reply is the longer one, equal lengths counting half.
    """

    raw: Estimate
    controlled: Estimate
    model_term: float | None
    length_term: float | None
    difficulty_term: float | None
    length_scale: float | None
    longer: float


@dataclass(frozen=True, kw_only=True)
class _Comparisons:
    """Checked columns of (n,): of one data set, or of one resample."""

    preference: _Numbers
    difference: _Numbers
    difficulty: _Numbers | None
    weight: _Numbers

    def drawn(self, places: NDArray[np.int64]) -> _Comparisons:
        return _Comparisons(
            preference=self.preference[places],
            difference=self.difference[places],
            difficulty=None if self.difficulty is None else self.difficulty[places],
            weight=self.weight[places],
        )


@dataclass(frozen=True, kw_only=True)
class _Fit:
    raw: float
    controlled: float
    model_term: float | None = None
    length_term: float | None = None
    difficulty_term: float | None = None
    length_scale: float | None = None


def control_length(
    preferences: ArrayLike,
    model_lengths: ArrayLike,
    baseline_lengths: ArrayLike,
    *,
    difficulties: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    user_ids: Sequence[str] | None = None,
    ridge: float = RIDGE,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
) -> LengthControl:
    """The raw and the length-controlled win rate of n comparisons, with bootstrap intervals.

    Args:
        preferences: (n,) in [0, 1]: the probability that the model's reply is preferred, or 1, ½ for a tie, and 0.
        model_lengths, baseline_lengths: (n,) in any one unit; AlpacaEval counts characters.
        difficulties: (n,) how hard each instruction is, on any scale and in either direction; None leaves the term out.
        weights: (n,) above 0, how much each comparison counts; None means alike.
        user_ids: (n,) whose comparison each is: intervals are then over users. None draws single comparisons.
        ridge: see `RIDGE`; above 0.
        confidence: in (0, 1).
        resamples: refits, at least 1; each takes one or two milliseconds at n = 805.
        seed: of the resampling; the same arguments give the same interval.

    Raises:
        ValueError: empty, not finite or of unequal lengths, or an argument out of range.
        ArithmeticError: the fit did not end; no data is known on which it does not.
    """
    data = _checked(preferences, model_lengths, baseline_lengths, difficulties, weights)
    if not ridge > 0 or not 0 < confidence < 1 or resamples < 1:
        raise ValueError("ridge must be above 0, confidence between 0 and 1, and resamples at least 1")
    groups = _groups(len(data.preference), user_ids)
    fitted = _fit(data, ridge)
    generator = np.random.default_rng(seed)
    raw, controlled = np.empty(resamples), np.empty(resamples)
    for place in range(resamples):
        drawn = generator.integers(len(groups), size=len(groups))
        again = _fit(data.drawn(np.concatenate([groups[group] for group in drawn])), ridge)
        raw[place], controlled[place] = again.raw, again.controlled

    def estimate(value: float, values: _Numbers) -> Estimate:
        low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        return Estimate(
            value=value,
            low=float(low),
            high=float(high),
            confidence=confidence,
            users=len(groups),
            values=len(data.preference),
        )

    return LengthControl(
        raw=estimate(fitted.raw, raw),
        controlled=estimate(fitted.controlled, controlled),
        model_term=fitted.model_term,
        length_term=fitted.length_term,
        difficulty_term=fitted.difficulty_term,
        length_scale=fitted.length_scale,
        longer=float(np.mean((data.difference > 0) + 0.5 * (data.difference == 0))),
    )


def _fit(data: _Comparisons, ridge: float) -> _Fit:
    weight = data.weight / data.weight.mean()
    raw = float(weight @ data.preference / weight.sum())
    # Theta runs off to infinity; nor is there a loss (or a win) left that length could explain.
    if not _ONE_SIDED < raw < 1 - _ONE_SIDED:
        return _Fit(raw=raw, controlled=raw)
    length_scale = _spread(data.difference)
    columns = [np.ones_like(weight)]
    if length_scale is not None:
        columns.append(np.tanh(data.difference / length_scale))
    difficulty = None
    if data.difficulty is not None and (scale := _spread(data.difficulty)) is not None:
        difficulty = (data.difficulty - data.difficulty.mean()) / scale
        columns.append(difficulty)
    design = np.stack(columns, axis=1)
    terms = _maximise(design, data.preference, weight, ridge)
    equally_long = terms[0] if difficulty is None else terms[0] + terms[-1] * difficulty
    return _Fit(
        raw=raw,
        controlled=float(weight @ np.broadcast_to(expit(equally_long), weight.shape) / weight.sum()),
        model_term=float(terms[0]),
        length_term=None if length_scale is None else float(terms[1]),
        difficulty_term=None if difficulty is None else float(terms[-1]),
        length_scale=length_scale,
    )


def _maximise(design: _Numbers, preference: _Numbers, weight: _Numbers, ridge: float) -> _Numbers:
    """(k,) the terms that maximise the penalised likelihood: Newton's method, halving steps that go too far.

    The objective is strictly convex where some preference is above 0 and some below 1 (the first column is constant and
    unpenalised, all others are penalised), so there is one minimum, and this finds it.
    """
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0

    def loss(terms: _Numbers) -> float:
        logits = design @ terms
        return float(weight @ (np.logaddexp(0.0, logits) - preference * logits) + 0.5 * penalty @ terms**2)

    terms = np.zeros(design.shape[1])
    current = loss(terms)
    for _ in range(_ITERATIONS):
        chance = expit(design @ terms)
        slope = design.T @ (weight * (chance - preference)) + penalty * terms
        curvature = (design.T * (weight * chance * (1 - chance))) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        if slope @ step <= _DECREMENT * max(1.0, current):
            return terms
        size = 1.0
        # Close to the minimum a step changes the loss by less than its rounding, and is right all the same.
        while (after := loss(terms - size * step)) > current + _ROUNDING * max(1.0, current):
            size /= 2
        terms, current = terms - size * step, after
    raise ArithmeticError("the length-controlled win rate could not be fitted: Newton's method did not end")


def _spread(values: _Numbers) -> float | None:
    """The sample standard deviation (over n - 1, as the reference has it), or None where the values are equal."""
    if len(values) < 2:
        return None
    scale = float(np.std(values, ddof=1))
    return scale if scale > _EQUAL * float(np.abs(values).max()) else None


def _checked(
    preferences: ArrayLike,
    model_lengths: ArrayLike,
    baseline_lengths: ArrayLike,
    difficulties: ArrayLike | None,
    weights: ArrayLike | None,
) -> _Comparisons:
    preference = np.asarray(preferences, dtype=np.float64)
    if preference.ndim != 1 or not len(preference):
        raise ValueError("preferences must be a non-empty row of numbers")
    model, baseline = (np.asarray(lengths, dtype=np.float64) for lengths in (model_lengths, baseline_lengths))
    weight = np.ones_like(preference) if weights is None else np.asarray(weights, dtype=np.float64)
    difficulty = None if difficulties is None else np.asarray(difficulties, dtype=np.float64)
    for name, values in (
        ("preferences", preference),
        ("lengths", model),
        ("lengths", baseline),
        ("weights", weight),
        ("difficulties", preference if difficulty is None else difficulty),
    ):
        if values.shape != preference.shape:
            raise ValueError(f"there must be as many {name} as preferences")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite")
    if ((preference < 0) | (preference > 1)).any():
        raise ValueError("preferences must be between 0 and 1")
    if (model < 0).any() or (baseline < 0).any():
        raise ValueError("lengths must not be negative")
    if (weight <= 0).any():
        raise ValueError("weights must be above 0")
    return _Comparisons(preference=preference, difference=model - baseline, difficulty=difficulty, weight=weight)


def _groups(values: int, user_ids: Sequence[str] | None) -> list[NDArray[np.int64]]:
    """The places of each user's comparisons, users in sorted order."""
    if user_ids is None:
        return [np.array([place], dtype=np.int64) for place in range(values)]
    if len(user_ids) != values:
        raise ValueError("there must be one user id a comparison")
    _, index = np.unique(np.asarray(user_ids, dtype=object), return_inverse=True)
    order = np.argsort(index, kind="stable")
    return np.split(order, np.cumsum(np.bincount(index))[:-1])
