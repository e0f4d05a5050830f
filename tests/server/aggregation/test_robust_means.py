from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from flwr.app import ArrayRecord, RecordDict
from flwr.serverapp.strategy.multikrum import select_multikrum
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import trim_mean

from server.aggregation.robust_means import geometric_median, krum, median, multi_krum, trimmed_mean

Vectors = Sequence[NDArray[np.float32]]
_ALL: dict[str, Callable[[Vectors], NDArray[np.float64]]] = {
    "median": median,
    "trimmed_mean": lambda vectors: trimmed_mean(vectors, 0.3),
    "geometric_median": geometric_median,
    "krum": lambda vectors: krum(vectors, corrupt=2),
    "multi_krum": lambda vectors: multi_krum(vectors, corrupt=2, kept=3),
}


def _vectors(seed: int, count: int, dimension: int = 20) -> list[NDArray[np.float32]]:
    return list(np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32))


@pytest.mark.parametrize("method", _ALL.values(), ids=_ALL)
@pytest.mark.parametrize("size", [1e2, 1e6, 1e15])
def test_two_of_nine_devices_cannot_move_it_out_of_the_others(
    method: Callable[[Vectors], NDArray[np.float64]], size: float
) -> None:
    honest = _vectors(0, 7)
    liars = [np.full(20, size, dtype=np.float32), np.full(20, 2 * size, dtype=np.float32)]
    spread = max(float(np.linalg.norm(one)) for one in honest)

    assert np.linalg.norm(method([liars[0], *honest, liars[1]])) <= 2 * spread
    assert np.linalg.norm(np.mean([*honest, *liars], axis=0)) > 4 * spread


@pytest.mark.parametrize("method", _ALL.values(), ids=_ALL)
def test_equal_vectors_have_themselves_as_their_mean(method: Callable[[Vectors], NDArray[np.float64]]) -> None:
    one = _vectors(0, 1)[0]

    np.testing.assert_allclose(method([one] * 9), one, rtol=1e-12)
    assert method([one] * 9).dtype == np.float64


@pytest.mark.parametrize("method", _ALL.values(), ids=_ALL)
def test_bad_vectors_are_refused(method: Callable[[Vectors], NDArray[np.float64]]) -> None:
    good = _vectors(0, 8)
    with pytest.raises(ValueError, match="no vectors"):
        method([])
    with pytest.raises(ValueError, match="one length"):
        method([*good, np.zeros(19, dtype=np.float32)])
    with pytest.raises(ValueError, match="one length"):
        method([one[None] for one in good])
    with pytest.raises(ValueError, match="NaN"):
        method([*good, np.full(20, np.nan, dtype=np.float32)])


def test_the_median_is_of_each_coordinate() -> None:
    vectors = [np.array(one, dtype=np.float32) for one in ([1, 9], [2, 7], [30, 8], [4, -5])]

    np.testing.assert_array_equal(median(vectors), [3.0, 7.5])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0, 0.49))
def test_the_trimmed_mean_is_scipys(seed: int, count: int, share: float) -> None:
    vectors = _vectors(seed, count)

    np.testing.assert_allclose(
        trimmed_mean(vectors, share), trim_mean(np.asarray(vectors, dtype=np.float64), share), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("share", [-0.1, 0.5, float("nan")])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"range \[0, 0\.5\)"):
        trimmed_mean(_vectors(0, 3), share)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(2, 8))
def test_no_point_has_less_distance_to_all_than_the_geometric_median(seed: int, count: int, dimension: int) -> None:
    vectors = _vectors(seed, count, dimension)
    points = np.asarray(vectors, dtype=np.float64)

    def total(centre: NDArray[np.float64]) -> float:
        return float(np.linalg.norm(points - centre, axis=1).sum())

    found = geometric_median(vectors)
    random = np.random.default_rng(seed)
    for length in (1e-1, 1e-2, 1e-3):
        for _ in range(10):
            assert total(found + length * random.standard_normal(dimension)) >= total(found) - 1e-6
    assert total(found) <= min(total(point) for point in [*points, points.mean(axis=0)]) + 1e-5


def test_the_geometric_median_on_a_line_is_the_median() -> None:
    vectors = [np.array([one], dtype=np.float32) for one in (0, 1, 5, 6, 100)]

    assert geometric_median(vectors)[0] == pytest.approx(5, abs=1e-4)
    for smoothing in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="smoothing"):
            geometric_median(vectors, smoothing=smoothing)


@pytest.mark.parametrize(("count", "corrupt", "kept"), [(5, 1, 1), (9, 2, 1), (9, 3, 4), (12, 2, 10), (3, 0, 3)])
def test_krum_is_flowers(count: int, corrupt: int, kept: int) -> None:
    vectors = _vectors(count, count)
    replies = [RecordDict({"arrays": ArrayRecord([one])}) for one in vectors]
    chosen = select_multikrum(replies, corrupt, kept)
    expected = [reply.array_records["arrays"].to_numpy_ndarrays()[0].astype(np.float64) for reply in chosen]

    np.testing.assert_allclose(multi_krum(vectors, corrupt=corrupt, kept=kept), np.mean(expected, axis=0), rtol=1e-12)
    if kept == 1:
        assert any(np.array_equal(krum(vectors, corrupt=corrupt), one) for one in vectors)


def test_a_large_lie_does_not_blur_the_distances_between_the_others() -> None:
    """Where norms of float32 vectors are subtracted, an offset that all share is enough to lose all differences."""
    near = [one * np.float32(1e-2) + np.float32(1e3) for one in _vectors(0, 6)]
    centre = np.mean(near, axis=0, dtype=np.float64)
    best = krum([*near, np.full(20, 1e10, dtype=np.float32)], corrupt=1)

    distances = [float(np.linalg.norm(one - centre)) for one in near]
    assert np.linalg.norm(best - centre) <= sorted(distances)[2]


def test_more_liars_than_krum_bears_are_refused() -> None:
    for corrupt in (-1, 3):
        with pytest.raises(ValueError, match="corrupt devices needs"):
            krum(_vectors(0, 8), corrupt=corrupt)
    for kept in (0, 8):
        with pytest.raises(ValueError, match="keeps at least one"):
            multi_krum(_vectors(0, 9), corrupt=2, kept=kept)
