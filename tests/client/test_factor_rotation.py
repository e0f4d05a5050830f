"""FedRot-LoRA on a device: what leaves is rotated onto the shared factors, and says the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from client.training import train_locally
from client.update import training_config
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_layout import layers_of
from shared.adapter_methods import Method
from shared.language_model import load_language_model
from shared.lora_factors import rotate_to
from shared.privacy.noise import AesCtrNoise
from tests.federation import FewDevices, method_plan


def _trained(
    method: Method, state: NDArray[np.float32] | None, number: int
) -> tuple[AdaptedModel, NDArray[np.float32], NDArray[np.float32]]:
    """The adapted model, the state that was trained from, and the one that the update leads to."""
    of = method_plan(method)
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    if state is None:
        rng = np.random.default_rng(0)
        state = (adapted.beginning() + rng.normal(0, 0.1, adapted.spec.state_dimension)).astype(np.float32)
    update = train_locally(
        adapted, state, FewDevices().pairs(2), training_config(of), noise=AesCtrNoise(bytes(32)), seed=0,
        round_number=number,
    ).vector  # fmt: skip
    return adapted, state, (state + update).astype(np.float32)


@pytest.mark.parametrize(("number", "by"), [(1, "a"), (2, "b")])
def test_an_update_is_fedits_turned_onto_the_shared_factors_by_a_and_b_in_turn(number: int, by: str) -> None:
    plain, state, unturned = _trained("fedit", None, number)
    adapted, _, turned = _trained("fedrot-lora", state, number)

    moved = 0.0
    for begun, before, after in zip(
        *(layers_of(one.spec, vector) for one, vector in ((plain, state), (plain, unturned), (adapted, turned))),
        strict=True,
    ):
        expected = rotate_to(begun, before, by=by, softness=0.5)  # type: ignore[arg-type]
        np.testing.assert_allclose(after.a, expected.a, atol=2e-5)
        np.testing.assert_allclose(after.b, expected.b, atol=2e-5)
        np.testing.assert_allclose(after.product(), before.product(), atol=2e-5)
        moved = max(moved, float(np.abs(after.a - before.a).max()))
    assert moved > 1e-3
