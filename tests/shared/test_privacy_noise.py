import numpy as np
import pytest
from scipy import stats

from shared.privacy.noise import AesCtrNoise, SeededTestNoise

KEY = bytes(range(32))


def test_normals_are_standard_and_independent() -> None:
    drawn = AesCtrNoise(KEY).normal(200_001)
    assert drawn.shape == (200_001,)
    assert drawn.dtype == np.float64
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn[:100_000], drawn[100_000:200_000])[0, 1]) < 0.015


def test_uniforms_fill_the_unit_interval() -> None:
    drawn = AesCtrNoise(KEY).uniform(100_000)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


def test_the_stream_moves_on_and_repeats_with_its_key() -> None:
    source, again = AesCtrNoise(KEY), AesCtrNoise(KEY)
    first = source.normal(10)
    assert not np.array_equal(first, source.normal(10))
    np.testing.assert_array_equal(first, again.normal(10))


def test_releases_have_noise_of_their_own() -> None:
    one = AesCtrNoise.for_release(KEY, b"plan/1").normal(50)
    assert not np.allclose(one, AesCtrNoise.for_release(KEY, b"plan/2").normal(50))
    assert not np.allclose(one, AesCtrNoise.for_release(bytes(32), b"plan/1").normal(50))
    np.testing.assert_array_equal(one, AesCtrNoise.for_release(KEY, b"plan/1").normal(50))


def test_keys_of_another_length_are_refused_and_never_shown() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AesCtrNoise(b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        AesCtrNoise.for_release(b"short", b"")
    assert KEY.hex() not in repr(AesCtrNoise(KEY))


def test_the_test_source_is_another_type() -> None:
    assert not isinstance(SeededTestNoise(0), AesCtrNoise)
    np.testing.assert_array_equal(SeededTestNoise(3).normal(5), SeededTestNoise(3).normal(5))
