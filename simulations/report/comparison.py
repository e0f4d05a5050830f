"""Two runs, or two sweeps setting by setting: which differences exceed the noise of who was asked.

Where both asked the same held-out users the same questions, users are drawn together (paired); else each side's by
itself. Every interval is a percentile bootstrap over users, within seeds, at 1 - 0.05 / m for the m differences of the
whole comparison (Bonferroni), so that all of them hold together with 95 %. Other seeds are not covered: a seed draws
another world, adapter and order of cohorts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.releases import ReleaseError
from simulations.report.sources import FinishedRun, RunGroup, Source

_RESAMPLES, _BLOCK = 20_000, 500
_TOGETHER = 0.05
_Rows = NDArray[np.float64]
_Statistic = Callable[[_Rows], _Rows]
Verdict = Literal["exceeds noise", "within noise"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One figure of two settings.

    Attributes:
        setting: "A" and "B"'s name, or both.
        figure: which.
        first, second: values, mean over seeds.
        value, low, high: second minus first.
        confidence: of the interval, so that all intervals hold together.
        paired: whether the same users were asked.
        seeds: of each side; where paired, those that both have.
        users: over these seeds, of the side with fewer.
        by_seed: differences, where paired.
    """

    setting: str
    figure: str
    first: float
    second: float
    value: float
    low: float
    high: float
    confidence: float
    paired: bool
    seeds: tuple[int, int]
    users: int
    by_seed: tuple[float, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether the interval leaves zero out."""
        return "exceeds noise" if self.low > 0 or self.high < 0 else "within noise"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Attributes:
    names: of the two sides.
    differences: setting by setting.
    settings: keys in which the two configurations differ, with both values, setting by setting.
    only: names of settings that one side alone has.
    """

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    settings: tuple[tuple[str, str, str, str], ...]
    only: tuple[str, ...]


def compare(first: Source, second: Source, names: tuple[str, str]) -> Comparison:
    """Second minus first.

    Raises:
        ReleaseError: nothing in them can be compared.
    """
    pairs, only = _pairs(first, second)
    # How many there are decides how wide each is.
    kinds = [(name, a, b, figure) for name, a, b in pairs for figure in _FIGURES if _has(a, figure) and _has(b, figure)]
    if not kinds:
        raise ReleaseError("nothing was measured on both sides that can be compared: no user's figures are kept")
    confidence = 1 - _TOGETHER / len(kinds)
    return Comparison(
        names=names,
        differences=tuple(_difference(name, a, b, figure, confidence) for name, a, b, figure in kinds),
        settings=tuple(row for name, a, b in pairs for row in _settings(name, a, b)),
        only=only,
    )


@dataclass(frozen=True, kw_only=True)
class _Figure:
    title: str
    of: Callable[[FinishedRun], NDArray[np.float64] | None]
    statistic: _Statistic


def _mean(rows: _Rows) -> _Rows:
    found: _Rows = rows.mean(axis=-1)
    return found


def _worst_tenth(rows: _Rows) -> _Rows:
    count = -(-rows.shape[-1] // 10)
    found: _Rows = np.partition(rows, count - 1, axis=-1)[..., :count].mean(axis=-1)
    return found


def _own_minus_other(run: FinishedRun) -> NDArray[np.float64] | None:
    own, other = run.of_users("wins", "own"), run.of_users("wins", "other")
    return None if own is None or other is None else own - other


def _of_people(run: FinishedRun) -> NDArray[np.float64] | None:
    details = run.summary.get("details")
    told = details.get("pair_accuracy") if isinstance(details, dict) else None
    users = told.get("users") if isinstance(told, dict) else None
    if not isinstance(users, list) or not users or "federated" not in users[0]["accuracy"]:
        return None
    return np.array([user["accuracy"]["federated"] for user in users], dtype=np.float64)


_FIGURES = (
    _Figure(title="wins, own persona", of=lambda run: run.of_users("wins", "own"), statistic=_mean),
    _Figure(title="wins, no persona", of=lambda run: run.of_users("wins", "none"), statistic=_mean),
    _Figure(title="wins, another's persona", of=lambda run: run.of_users("wins", "other"), statistic=_mean),
    _Figure(title="personal gain, own minus another's", of=_own_minus_other, statistic=_mean),
    _Figure(title="style axes met, of 4", of=lambda run: run.of_users("fits", "tuned"), statistic=_mean),
    _Figure(title="... of the worst tenth", of=lambda run: run.of_users("fits", "tuned"), statistic=_worst_tenth),
    _Figure(title="own pairs told right", of=_of_people, statistic=_mean),
)


def _has(group: RunGroup, figure: _Figure) -> bool:
    return all(figure.of(run) is not None for run in group.runs)


def _pairs(first: Source, second: Source) -> tuple[list[tuple[str, RunGroup, RunGroup]], tuple[str, ...]]:
    if len(first.groups) == len(second.groups) == 1:
        a, b = first.groups[0], second.groups[0]
        return [(a.name if a.name == b.name else f"{a.name} → {b.name}", a, b)], ()
    theirs = {group.name: group for group in second.groups}
    both = [(group.name, group, theirs[group.name]) for group in first.groups if group.name in theirs]
    if not both:
        raise ReleaseError("the two have no setting of the same name: compare two runs, or sweeps of the same cells")
    names = {name for name, *_ in both}
    return both, tuple(group.name for group in (*first.groups, *second.groups) if group.name not in names)


def _difference(name: str, a: RunGroup, b: RunGroup, figure: _Figure, confidence: float) -> Difference:
    theirs = {run.seed: run for run in b.runs}
    together = [(run, theirs[run.seed]) for run in a.runs if run.seed in theirs]
    # Of people's own data the figures stand in no order that tells who is who.
    paired = bool(together) and all(
        one.asked == other.asked and one.summary.get("details") is not None and one.config["data.source"] == "embedded"
        for one, other in together
    )
    first = [_figures(figure, run) for run in ([one for one, _ in together] if paired else a.runs)]
    second = [_figures(figure, run) for run in ([other for _, other in together] if paired else b.runs)]
    paired = paired and all(len(x) == len(y) for x, y in zip(first, second, strict=True))
    values = [float(np.mean([figure.statistic(one) for one in side])) for side in (first, second)]
    resampled = np.concatenate(list(_resample(first, second, figure.statistic, paired=paired)))
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Difference(
        setting=name,
        figure=figure.title,
        first=values[0],
        second=values[1],
        value=values[1] - values[0],
        low=float(low),
        high=float(high),
        confidence=confidence,
        paired=paired,
        seeds=(len(first), len(second)),
        users=min(sum(map(len, first)), sum(map(len, second))),
        by_seed=tuple(
            float(figure.statistic(y) - figure.statistic(x)) for x, y in zip(first, second, strict=True)
        ) if paired else (),
    )  # fmt: skip


def _figures(figure: _Figure, run: FinishedRun) -> NDArray[np.float64]:
    found = figure.of(run)
    if found is None:
        raise ReleaseError(f"{run.path} keeps no figures of its users")
    return found


def _resample(
    first: Sequence[NDArray[np.float64]],
    second: Sequence[NDArray[np.float64]],
    statistic: _Statistic,
    *,
    paired: bool,
) -> Iterator[NDArray[np.float64]]:
    """Differences of the statistic's means over seeds, users drawn with replacement within each seed."""
    generator = np.random.default_rng(0)
    for _ in range(_RESAMPLES // _BLOCK):
        sides = [np.zeros(_BLOCK), np.zeros(_BLOCK)]
        if paired:
            for one, other in zip(first, second, strict=True):
                drawn = generator.integers(len(one), size=(_BLOCK, len(one)))
                sides[0] += statistic(one[drawn])
                sides[1] += statistic(other[drawn])
        else:
            for place, side in enumerate((first, second)):
                for one in side:
                    sides[place] += statistic(one[generator.integers(len(one), size=(_BLOCK, len(one)))])
        yield sides[1] / len(second) - sides[0] / len(first)


def _settings(name: str, a: RunGroup, b: RunGroup) -> list[tuple[str, str, str, str]]:
    ours, theirs = a.first.config, b.first.config
    return [
        (name, key, str(ours.get(key, "")), str(theirs.get(key, "")))
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key) and key not in ("run.memory", "data.path")
    ]
