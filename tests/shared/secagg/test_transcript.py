"""What the server holds in the end, all masked vectors and every recovered key, uncovers the sum and no part of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shared.secagg import layouts
from shared.secagg.masking import apply_mask
from shared.secagg.modulus import unpack
from shared.secagg.secret_sharing import Recovery
from shared.secagg.session_keys import SecretKey, mask_key
from shared.secagg.session_terms import SessionTerms
from tests.secagg import Cohort, terms

_SIZE, _BITS = 4000, 8


def _everything_taken_off(cohort: Cohort, of: SessionTerms) -> dict[int, NDArray[np.uint32]]:
    """Each masked vector without its own mask and those it shares with members that vanished: all there is to take."""
    said = {(stage, number): body for stage, number, body in cohort.transcript}
    masked = {
        number: unpack(body, dimension=of.dimension, bits=of.bits)
        for (stage, number), body in said.items()
        if stage == "from mask"
    }
    revealed = {
        number: layouts.parse_shares(body, most=len(of.members))
        for (stage, number), body in said.items()
        if stage == "from reveal"
    }
    holders = sorted(revealed)[: of.threshold]
    recovery = Recovery([of.places[holder] for holder in holders])
    keys = {
        member: recovery.secret({of.places[holder]: revealed[holder][member] for holder in holders})
        for member in revealed[holders[0]]
    }
    advertised = {
        one.number: one for one in layouts.parse_advertisements(said["to share", holders[0]], most=len(of.members))
    }
    vanished = keys.keys() - masked.keys()
    for member, vector in masked.items():
        apply_mask(vector, keys[member], -1)
        for gone in vanished:
            masking, peer = SecretKey(keys[gone]), advertised[member].masking_key
            shared = mask_key(masking, peer, context=of.context, one=gone, other=member)
            apply_mask(vector, shared, -1 if gone < member else 1)
    return masked


def _sum(vectors: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    total = np.zeros_like(vectors[0])
    for vector in vectors:
        total += vector
    return total


def _fits(vector: NDArray[np.uint32]) -> float:
    """How likely uniform numbers modulo 2^8 look like this."""
    return float(stats.chisquare(np.bincount(vector & (2**_BITS - 1), minlength=2**_BITS)).pvalue)


def _alike(vector: NDArray[np.uint32], update: NDArray[np.int64]) -> float:
    """How likely a vector that has nothing to do with an update goes along with it so well."""
    centred = (vector.astype(np.int64) + 2 ** (_BITS - 1)) % 2**_BITS - 2 ** (_BITS - 1)
    return float(stats.pearsonr(centred, update).pvalue)


@pytest.mark.parametrize("vanish", [{}, {"mask": {3}}])
def test_no_part_of_the_sum_is_uncovered_by_all_that_was_revealed(vanish: dict[str, set[int]]) -> None:
    of = terms(range(1, 7), threshold=4, dimension=_SIZE, bits=_BITS)
    cohort = Cohort(of, vanish=vanish)
    generator = np.random.default_rng(0)
    cohort.vectors = {member.number: generator.integers(-8, 9, _SIZE) for member in of.members}
    cohort.run()
    left = _everything_taken_off(cohort, of)

    subsets = [some for size in range(1, len(left)) for some in itertools.combinations(left, size)]
    assert len(subsets) == 2 ** len(left) - 2
    # Some hundred figures: chance alone makes one of them small, but never that small.
    for some in subsets:
        total = _sum([left[member] for member in some])
        expected = np.sum([cohort.vectors[member] for member in some], axis=0)
        assert _fits(total) > 1e-9
        assert _alike(total, expected) > 1e-9
        assert min(_alike(total, cohort.vectors[member]) for member in some) > 1e-9
    # Two-sided: the whole sum is there, and the same tests see it.
    total = _sum(list(left.values()))
    assert _fits(total) < 1e-12
    assert _alike(total, cohort.expected()) < 1e-12
