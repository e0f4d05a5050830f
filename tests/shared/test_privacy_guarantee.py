from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.privacy.guarantee import Guarantee, format_delta, format_epsilon, format_lower_bound

_PROJECT = Path(__file__).parents[2]
_GIVEN = Guarantee(
    unit="user",
    epsilon_server=1.234,
    epsilon_model_observer=1.234,
    delta=1e-6,
    server_is_trusted=True,
    mechanism="Gaussian noise",
    accountant="exact",
    neighbouring="zero-out",
    assumptions=("the first", "the second"),
    promises=("a promise",),
)


def test_epsilon_is_never_rounded_down() -> None:
    shown = [format_epsilon(value) for value in (0.0, 1.0, 1.001, 7.999, 8.01, math.inf)]
    assert shown == ["0.00", "1.00", "1.01", "8.00", "8.01", "∞"]


def test_what_an_audit_found_is_never_rounded_up() -> None:
    shown = [format_lower_bound(value) for value in (0.0, 1.0, 1.009, 7.999, 8.01, math.inf)]
    assert shown == ["0.00", "1.00", "1.00", "7.99", "8.01", "∞"]


@given(st.floats(min_value=1e-12, max_value=0.99))
def test_delta_is_never_rounded_down(delta: float) -> None:
    shown = float(format_delta(delta))
    assert delta * (1 - 1e-9) <= shown <= delta * 1.11


def test_a_model_observer_never_has_the_larger_figure() -> None:
    with pytest.raises(ValueError, match="epsilon_model_observer"):
        replace(_GIVEN, epsilon_model_observer=2.0, amplification="wishful")
    with pytest.raises(ValueError, match="one figure"):
        replace(_GIVEN, epsilon_model_observer=0.5)
    with pytest.raises(ValueError, match="inf"):
        replace(_GIVEN, epsilon_server=math.inf, epsilon_model_observer=math.inf)


def test_one_sentence_names_everything() -> None:
    sentence = _GIVEN.sentence()

    for part in (
        "One user", "replaced by nothing", "ε = 1.24", "δ = 1.0e-6", "exact", "The first; the second", "a promise",
                 "everyone but the server", "no amplification claimed",
    ):  # fmt: skip
        assert part in sentence, part
    amplified = replace(_GIVEN, epsilon_model_observer=0.5, amplification="secret Poisson sampling")
    # The figure against everyone stands first.
    assert amplified.sentence().index("1.24") < amplified.sentence().index("0.50")
    assert "the server and everyone else" in replace(_GIVEN, server_is_trusted=False).sentence()


def test_json_holds_the_same() -> None:
    values = json.loads(json.dumps(_GIVEN.as_json()))

    assert (values["unit"], values["epsilon_server"], values["neighbouring"]) == ("user", 1.234, "zero-out")
    assert values["sentence"] == _GIVEN.sentence()


def test_no_other_module_formats_an_epsilon() -> None:
    """An ε that becomes text anywhere else could lose its unit, its δ and its assumptions."""
    pattern = re.compile(r"\{[^{}]*epsilon[^{}()]*:[^{}]*[efg%]\}")
    found = [
        f"{file.relative_to(_PROJECT)}: {line.strip()}"
        for package in ("client", "server", "shared", "simulations")
        for file in (_PROJECT / package).rglob("*.py")
        if file.name != "guarantee.py"
        for line in file.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    ]
    assert found == []
