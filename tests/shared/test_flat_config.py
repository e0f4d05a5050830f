from __future__ import annotations

import tomllib

import pytest
import tomli_w

from shared.flat_config import ConfigError, from_tables, to_tables
from shared.round_plan import FederationPlan


def test_tables_are_the_same_keys_grouped() -> None:
    flat = FederationPlan().to_run_config()

    text = tomli_w.dumps(to_tables(flat))

    assert from_tables(tomllib.loads(text)) == flat
    assert "[training]" in text


@pytest.mark.parametrize(
    ("text", "key"), [("rounds = 3", "rounds"), ("[federation.rounds]\nmany = 3", r"federation\.rounds")]
)
def test_keys_outside_tables_and_tables_in_tables_are_refused_by_name(text: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        from_tables(tomllib.loads(text))
