"""Masks, moduli, packing, sharing and rotation, each by itself."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import hadamard

from shared.secagg.masking import apply_mask
from shared.secagg.modulus import ModulusError, bits_for_rotated_sum, bits_for_sum, centre, pack, to_modulus, unpack
from shared.secagg.rotation import HadamardRotation
from shared.secagg.secret_sharing import PRIME, Recovery, SharingError, split


@pytest.mark.parametrize("size", [1, 7, 65_536, 65_537, 200_001])
def test_a_mask_is_the_key_stream_of_aes_and_comes_off_again(size: int) -> None:
    key, start = os.urandom(32), np.random.default_rng(0).integers(2**32, size=size, dtype=np.uint32)
    vector = start.copy()
    apply_mask(vector, key, 1)

    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(4 * size))
    np.testing.assert_array_equal(vector, start + np.frombuffer(stream, dtype="<u4"))
    apply_mask(vector, key, -1)
    np.testing.assert_array_equal(vector, start)


def test_a_mask_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        apply_mask(np.zeros(3, dtype=np.uint32), bytes(16), 1)


@given(st.integers(1, 32), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_packed_numbers_come_back(bits: int, numbers: list[int]) -> None:
    vector = np.array(numbers, dtype=np.uint32)
    packed = pack(vector, bits)

    assert len(packed) == -(-len(numbers) * bits // 8)
    np.testing.assert_array_equal(
        unpack(packed, dimension=len(numbers), bits=bits), vector & np.uint32((1 << bits) - 1)
    )


def test_packed_vectors_of_another_length_or_with_loose_ends_are_refused() -> None:
    packed = pack(np.arange(5, dtype=np.uint32), 7)
    for wrong in (packed[:-1], packed + b"\0", packed[:-1] + b"\xff", b""):
        with pytest.raises(ModulusError):
            unpack(wrong, dimension=5, bits=7)


@given(st.integers(1, 32), st.integers(-(2**31), 2**31 - 1))
def test_centring_undoes_the_modulus_where_the_number_fits(bits: int, number: int) -> None:
    number %= 1 << bits
    number = number - (1 << bits) if number >= 1 << (bits - 1) else number
    taken = to_modulus(np.array([number]), bits)

    assert 0 <= taken[0] < 1 << bits
    assert centre(taken, bits)[0] == number


@pytest.mark.parametrize("bits", [0, 33, -1])
def test_a_modulus_that_is_none_is_refused(bits: int) -> None:
    with pytest.raises(ModulusError):
        to_modulus(np.zeros(1, dtype=np.int64), bits)


@pytest.mark.parametrize(
    ("vectors", "dimension", "rotated", "plain"),
    [(10, 100_000, 15, 17), (100, 100_000, 16, 19), (1000, 100_000, 17, 22), (100, 1000, 14, 16), (100, 10**6, 17, 21)],
)
def test_bits_are_those_of_an_independent_prototype(vectors: int, dimension: int, rotated: int, plain: int) -> None:
    """Within one: its tail bound was a Gaussian's, ours is Skellam's. Noise of z = 1."""
    norm = 5 * np.sqrt(dimension)
    said = {"vectors": vectors, "dimension": dimension, "norm_bound": float(norm), "noise_variance": float(norm**2)}

    assert abs(bits_for_rotated_sum(**said) - rotated) <= 1  # type: ignore[arg-type]
    assert abs(bits_for_sum(**said) - plain) <= 1  # type: ignore[arg-type]


def test_a_sum_with_its_norm_in_one_coordinate_does_not_wrap_and_one_bit_less_would() -> None:
    vectors, norm = 100, 1000.0
    bits = bits_for_sum(vectors=vectors, dimension=10, norm_bound=norm, noise_variance=0.0)
    worst = np.array([int(vectors * norm)])

    assert centre(to_modulus(worst, bits), bits)[0] == worst[0]
    assert centre(to_modulus(worst, bits - 1), bits - 1)[0] != worst[0]


def test_a_sum_that_needs_more_than_32_bits_is_refused() -> None:
    with pytest.raises(ModulusError, match="smaller cohorts"):
        bits_for_sum(vectors=1000, dimension=10, norm_bound=1e7, noise_variance=0.0)


@pytest.mark.parametrize("dimension", [1, 2, 5, 64, 1000])
def test_a_rotation_is_the_hadamard_matrix_with_random_signs(dimension: int) -> None:
    rotation = HadamardRotation(dimension, seed=b"a")
    vector = np.random.default_rng(1).normal(size=dimension)
    rotated = rotation.rotate(vector)

    assert np.linalg.norm(rotated) == pytest.approx(np.linalg.norm(vector))
    np.testing.assert_allclose(rotation.back(rotated), vector, atol=1e-12)
    columns = np.stack([rotation.rotate(one) for one in np.eye(dimension)], axis=1)
    signs = np.sign(columns[0])
    reference = hadamard(rotation.padded) / np.sqrt(rotation.padded)
    np.testing.assert_allclose(columns, (reference[:, :dimension] * signs), atol=1e-12)


def test_a_rotation_spreads_what_was_in_one_coordinate_and_another_seed_spreads_it_otherwise() -> None:
    vector = np.zeros(5000)
    vector[17] = 1.0
    one, other = (HadamardRotation(5000, seed=seed) for seed in (b"a", b"b"))

    assert np.abs(one.rotate(vector)).max() == pytest.approx(8192**-0.5)
    assert not np.array_equal(one.rotate(np.ones(5000)), other.rotate(np.ones(5000)))
    with pytest.raises(ValueError, match="dimension"):
        HadamardRotation(0, seed=b"")


@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=32, max_size=32), st.integers(1, 6), st.integers(0, 3))
def test_any_threshold_of_shares_gives_the_secret(secret: bytes, threshold: int, more: int) -> None:
    shares = split(secret, threshold=threshold, holders=threshold + more, entropy=os.urandom)
    held = dict(enumerate(shares, start=1))

    for holders in itertools.combinations(held, threshold):
        assert Recovery(holders).secret(held) == secret


def test_fewer_shares_than_the_threshold_say_nothing() -> None:
    """One share of two is uniform, whatever the secret: both halves of the field are as likely."""
    for secret in (bytes(32), b"\xff" * 32):
        low = sum(split(secret, threshold=2, holders=1 + 1, entropy=os.urandom)[0] < PRIME // 2 for _ in range(2000))
        assert stats.binomtest(low, 2000).pvalue > 1e-6


@pytest.mark.parametrize(
    "how", [{"threshold": 0, "holders": 3}, {"threshold": 4, "holders": 3}, {"threshold": 1, "holders": 0}]
)
def test_thresholds_that_make_no_sense_are_refused(how: dict[str, int]) -> None:
    with pytest.raises(SharingError):
        split(bytes(32), entropy=os.urandom, **how)
    with pytest.raises(SharingError):
        split(bytes(31), threshold=1, holders=1, entropy=os.urandom)


@pytest.mark.parametrize("holders", [(), (1, 1), (0, 1)])
def test_holders_that_cannot_be_are_refused(holders: tuple[int, ...]) -> None:
    with pytest.raises(SharingError):
        Recovery(holders)


def test_shares_that_are_missing_or_of_no_secret_are_refused() -> None:
    recovery = Recovery((1, 2))
    for shares in ({1: 5}, {1: 5, 2: PRIME}, {1: -1, 2: 5}):
        with pytest.raises(SharingError, match="missing"):
            recovery.secret(shares)
    # Shares of a number that no 32 bytes hold: a line through (0, 2^256) and (1, 0).
    with pytest.raises(SharingError, match="one secret"):
        recovery.secret({1: 0, 2: -(2**256) % PRIME})
