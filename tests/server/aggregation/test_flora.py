from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from server.aggregation.flora import stack
from tests.server.aggregation.cohorts import assert_products, cohort, dense_means


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_stacked_factors_are_the_mean_of_the_models(seed: int, ranks: list[int]) -> None:
    clients = cohort(seed, ranks=ranks)
    new = stack(clients)

    assert {one.rank for one in new} == {sum(ranks)}
    assert_products(new, dense_means(clients), rtol=1e-11)
