"""The protocol when everyone follows it: sums are exact, whoever vanishes, and the wire shows nothing of them."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shared.secagg.device_session import DeviceSecrets, DeviceSession
from shared.secagg.modulus import unpack
from shared.secagg.server_session import SessionAbortedError
from shared.secagg.session_terms import TermsError, choose_threshold, cut_into_parts, part_sizes
from tests.secagg import STAGES, Cohort, changed, identity, terms


@pytest.mark.parametrize("bits", [12, 16, 31, 32])
def test_the_sum_is_exact(bits: int) -> None:
    cohort = Cohort(terms(bits=bits))

    np.testing.assert_array_equal(cohort.run(), cohort.expected())


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_whoever_vanishes_at_whatever_stage_the_sum_of_the_rest_is_exact(data: st.DataObject) -> None:
    size = data.draw(st.integers(4, 12))
    threshold, corrupt = choose_threshold(size, dropout=1 / 3, corrupt=0.1)
    lost = data.draw(st.lists(st.sampled_from(range(size)), max_size=size - threshold, unique=True))
    vanish: dict[str, set[int]] = {}
    for number in lost:
        vanish.setdefault(data.draw(st.sampled_from(STAGES)), set()).add(number)
    cohort = Cohort(terms(range(size), threshold=threshold, corrupt=corrupt, dimension=3), vanish=vanish)

    np.testing.assert_array_equal(cohort.run(), cohort.expected())


@pytest.mark.parametrize(
    ("stage", "name"),
    list(zip(STAGES, ("keys", "shares", "masked vectors", "confirmations", "unmasking"), strict=True)),
)
def test_one_fewer_than_the_threshold_at_any_stage_ends_the_session_and_says_which(stage: str, name: str) -> None:
    cohort = Cohort(terms(range(6), threshold=5), vanish={stage: {1, 4}})

    with pytest.raises(SessionAbortedError, match="4 of 5") as raised:
        cohort.run()
    assert raised.value.stage == name


def test_secrets_kept_between_stages_go_on_as_if_nothing_had_been() -> None:
    """Every stage is answered by another process that has read the secrets from where they were kept."""
    cohort = Cohort(terms(range(4), threshold=3), vanish={"mask": {2}})

    def restarted(_stage: str, number: int, said: bytes) -> bytes:
        if number in cohort.sessions:
            kept = DeviceSecrets.from_bytes(cohort.sessions[number].secrets.to_bytes())
            cohort.sessions[number] = DeviceSession(cohort.of, number=number, identity=identity(number), secrets=kept)
        return said

    cohort.to_device = restarted
    np.testing.assert_array_equal(cohort.run(), cohort.expected())


def test_nothing_is_left_of_the_secrets_in_the_end() -> None:
    cohort = Cohort(terms())
    shown = cohort.confirmed()
    before = {number: session.secrets for number, session in cohort.sessions.items()}
    cohort.ask("reveal", shown, lambda number, said: cohort.sessions[number].reveal(said))

    for number, session in cohort.sessions.items():
        left = session.secrets.to_bytes()
        assert session.secrets.stage == "revealed"
        assert not session.secrets.sealed
        for secret in (before[number].masking_secret, before[number].mask_secret, before[number].sealing_secret):
            assert secret not in left
            assert DeviceSecrets.from_bytes(left).masking_secret == bytes(32)


def test_a_masked_vector_is_uniform_and_its_likes_are_unrelated() -> None:
    """Two-sided: the same test tells a vector whose mask is gone."""
    of = terms(dimension=20_000, bits=8)
    cohort = Cohort(of)
    cohort.run()
    masked = {
        number: unpack(said, dimension=of.dimension, bits=of.bits)
        for stage, number, said in cohort.transcript
        if stage == "from mask"
    }

    def uniform(vector: np.ndarray) -> float:
        return float(stats.chisquare(np.bincount(vector & 0xFF, minlength=256)).pvalue)

    assert all(uniform(vector) > 1e-5 for vector in masked.values())
    numbers = sorted(masked)
    for one, other in itertools.pairwise(numbers):
        assert uniform(masked[one] + masked[other]) > 1e-5
    assert uniform(np.sum(list(masked.values()), axis=0)) > 1e-5  # their own masks are still on the sum
    assert uniform(cohort.expected().astype(np.uint32)) < 1e-12


def test_no_secret_is_ever_on_the_wire_and_no_share_in_clear_before_the_end() -> None:
    cohort = Cohort(terms(), vanish={"mask": {4}})
    shown = cohort.confirmed()
    secrets = [session.secrets for session in cohort.sessions.values()]
    said = b"".join(content for _, _, content in cohort.transcript)

    for one in secrets:
        assert one.own_share == 0 or one.own_share.to_bytes(33, "big") not in said
        for secret in (one.masking_secret, one.mask_secret, one.sealing_secret):
            assert secret not in said
    cohort.ask("reveal", shown, lambda number, request: cohort.sessions[number].reveal(request))


@given(st.integers(0, 5000), st.integers(2, 1000))
def test_parts_are_as_even_as_can_be_and_counting_them_is_cutting_them(devices: int, part_size: int) -> None:
    cohort = tuple(range(devices))
    parts = cut_into_parts(cohort, part_size=part_size)

    assert tuple(itertools.chain(*parts)) == cohort
    assert Counter(map(len, parts)) == Counter(part_sizes(devices, part_size=part_size))
    assert len(parts) == -(-devices // part_size)
    assert not parts or max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_cohort_that_no_memory_holds_is_counted_at_once() -> None:
    assert sum(size * count for size, count in part_sizes(10**12, part_size=200).items()) == 10**12


@pytest.mark.parametrize("size", [4, 5, 10, 50, 100, 1000])
def test_a_third_may_vanish_and_a_tenth_may_be_corrupt(size: int) -> None:
    threshold, corrupt = choose_threshold(size, dropout=1 / 3, corrupt=0.1)

    assert threshold == size - size // 3
    assert corrupt == -(-size // 10)
    terms(range(size), threshold=threshold, corrupt=corrupt)


@pytest.mark.parametrize(
    ("size", "dropout", "corrupt"), [(1, 0.0, 0.0), (2, 0.5, 0.0), (3, 0.0, 0.7), (10, 0.5, 0.0), (99, 1 / 3, 1 / 3)]
)
def test_cohorts_that_cannot_spare_that_many_are_refused(size: int, dropout: float, corrupt: float) -> None:
    with pytest.raises(TermsError, match="larger cohorts"):
        choose_threshold(size, dropout=dropout, corrupt=corrupt)


@pytest.mark.parametrize(
    "what",
    [
        {"threshold": 2},  # 2 t <= n + m: two sets of t could share only liars
        {"threshold": 5},
        {"corrupt": 2},
        {"corrupt": -1},
        {"members": ()},
        {"members": (terms().members[0],)},  # a cohort of one
        {"members": tuple(reversed(terms().members))},
        {"members": (*terms().members, terms().members[-1])},
        {"bits": 33},
        {"dimension": 0},
    ],
)
def test_terms_that_protect_nobody_are_refused(what: dict[str, object]) -> None:
    with pytest.raises(TermsError):
        changed(terms(), **what)


def test_every_term_is_in_the_context() -> None:
    of = terms()
    others: list[dict[str, object]] = [
        {"run": "1" * 32}, {"round_number": 3}, {"attempt": 2}, {"part": 1}, {"plan": "another"}, {"model": "another"},
        {"server": "ab"}, {"threshold": 4}, {"corrupt": 1}, {"dimension": 6}, {"bits": 17},
        {"members": terms((1, 4, 5, 8)).members},
    ]  # fmt: skip
    contexts = {of.context, *(changed(of, **other).context for other in others)}

    assert len(contexts) == len(others) + 1
    assert {key for other in others for key in other} == set(of.__dataclass_fields__)
