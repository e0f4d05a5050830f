"""The server's step against each method's own module, as its paper writes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.adapter_step import AdapterStep
from server.aggregation import (
    fed_sb,
    fedask,
    fedex_lora,
    fedit,
    fedsa_lora,
    fedsvd,
    flexlora,
    hetlora,
    lora_fair,
    rolora,
)
from shared.adapter import attach_adapter
from shared.adapter_methods import METHODS, Method
from shared.language_model import load_language_model
from shared.lora_factors import LayerFactors
from tests.federation import method_plan

_Array = NDArray[np.floating]


def test_the_servers_step_is_each_methods_own_equation() -> None:
    """One linear step serves several methods: their papers' equations, written out by themselves, say the same."""
    for method in METHODS:
        of = method_plan(method)
        spec = attach_adapter(load_language_model(of.model), of.adapter).spec
        rng = np.random.default_rng(1)
        state = rng.normal(size=spec.state_dimension).astype(np.float32)
        for number in (1, 2):
            updates = [rng.normal(size=spec.update_dimension(number)).astype(np.float32) for _ in range(3)]
            got = AdapterStep(of, spec).from_updates(state, updates, devices=(0, 1, 2), round_number=number)
            trained = [state + spec.expand(update, number) for update in updates]
            wanted = _by_its_paper(method, [list(spec.arrays(one)) for one in trained], number)
            for (layer, factor, values), expected in zip(spec.arrays(got), wanted, strict=True):
                if expected is not None:
                    np.testing.assert_allclose(values, expected, atol=2e-5, err_msg=f"{method} {layer} {factor}")


def _by_its_paper(method: Method, clients: list[list[tuple[str, str, _Array]]], number: int) -> list[_Array | None]:
    """Every parameter of the next state by the method's own module, None where that says nothing of it."""
    if method == "fed-sb":
        return list(fed_sb.mean_cores([[values for _, _, values in one] for one in clients]))
    if method == "fedsa-lora":
        return list(fedsa_lora.mean_a([[values for _, _, values in one] for one in clients]))
    if method == "ffa-lora":
        return [np.mean([one[place][2] for one in clients], axis=0) for place in range(len(clients[0]))]
    factors = [
        tuple(
            LayerFactors(a=a[2], b=b[2])
            for a, b in zip(*([part for part in one if part[1] == name] for name in ("a", "b")), strict=True)
        )
        for one in clients
    ]
    layers = {
        "fedit": lambda: fedit.mean_factors(factors),
        "fedrot-lora": lambda: fedit.mean_factors(factors),
        "rolora": lambda: rolora.mean_active(factors, active=rolora.active_factor(number)),
        "fedsvd": lambda: fedsvd.refactor(fedit.mean_factors(factors)),
        "fedask": lambda: fedask.refactor(fedit.mean_factors(factors)),
        "hetlora": lambda: hetlora.aggregate(factors),
        "lora-fair": lambda: lora_fair.correct(factors, regularisation=1e-3),
        "flexlora": lambda: flexlora.aggregate(factors, rank=2),
        "fedex-lora": lambda: fedex_lora.aggregate(factors)[0],
    }.get(method)
    if layers is None:  # FLoRA begins anew
        return [None] * len(clients[0])
    following = iter(layers())
    found: list[_Array | None] = []
    for _, factor, _ in clients[0]:
        if factor == "a":
            layer = next(following)
        found.append({"a": layer.a, "b": layer.b}.get(factor))
    return found
