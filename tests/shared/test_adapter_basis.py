"""The frozen factors around a core: drawn as ever, or the leading directions of the weight that is adapted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import PeftModel
from transformers.pytorch_utils import Conv1D

from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_basis import frozen_factors, leading_directions
from shared.adapter_spec import AdapterConfig, AdapterError, first_factor, orthonormal
from shared.flat_config import ConfigError
from shared.round_plan import FederationPlan
from tests.tiny import language_model, message

WEIGHTS = AdapterConfig(method="fed-sb", rank=3, basis="weights")
HELLO = (message("user", "How does bread rise?"),)


def spread(outputs: int, inputs: int, seed: int = 0) -> NDArray[np.float64]:
    """A weight whose singular values fall as a trained one's do."""
    u, _, v = np.linalg.svd(np.random.default_rng(seed).normal(size=(outputs, inputs)), full_matrices=False)
    return np.asarray((u * 2.0 ** -np.arange(min(outputs, inputs))) @ v)


@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (8, 8)])
def test_the_directions_are_those_of_the_dense_svd_in_their_order(shape: tuple[int, int]) -> None:
    weight = spread(*shape)
    rows, columns = leading_directions(weight, first_factor("x", (8, shape[1]), 0))
    left, values, right = np.linalg.svd(weight)
    for place in range(4):
        assert abs(rows[place] @ right[place]) == pytest.approx(1, abs=1e-9)
        assert columns[place] @ weight @ rows[place] == pytest.approx(values[place])  # signs fit each other
        assert abs(columns[place] @ left[:, place]) == pytest.approx(1, abs=1e-9)
        assert rows[place, np.argmax(np.abs(rows[place]))] > 0
    np.testing.assert_allclose(rows @ rows.T, np.eye(8), atol=1e-9)


def test_where_the_search_starts_does_not_matter() -> None:
    weight = spread(24, 40)
    ends = [leading_directions(weight, first_factor("x", (12, 40), seed))[0][:4] for seed in (0, 1)]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)


def test_a_drawn_basis_knows_nothing_of_the_weight() -> None:
    config = AdapterConfig(method="fed-sb", rank=4)
    a, b = frozen_factors("layer", spread(64, 40), config)
    again, _ = frozen_factors("layer", spread(64, 40, seed=1), config)
    np.testing.assert_array_equal(a, again)
    np.testing.assert_array_equal(a, orthonormal(first_factor("layer.lora_A.weight", (4, 40), 0)))
    np.testing.assert_allclose(b.T @ b, 4 * np.eye(4), atol=1e-5)  # (64 / 4) ** 0.25 is a column's length


def test_a_basis_wider_than_the_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="narrower side"):
        frozen_factors("layer", spread(3, 40), AdapterConfig(method="fed-sb", rank=4))


def held(adapted: AdaptedModel) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """Layer → its base weight (out, in), A and B."""
    found = {}
    for (name, _), layer in zip(adapted.spec.parameters, adapted.layers, strict=True):
        base_layer = layer.get_base_layer()
        base = base_layer.weight.detach().float().numpy()
        a, b = layer.lora_A["default"].inner.weight.detach().numpy(), layer.lora_B["default"].weight.detach().numpy()
        found[name] = (base.T if isinstance(base_layer, Conv1D) else base, a, b)
    return found


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])  # GPT-2 holds its weights the other way round
def test_every_layer_is_adapted_where_its_own_weight_is_strong(architecture: str) -> None:
    drawn = held(attach_adapter(language_model(architecture), AdapterConfig(method="fed-sb", rank=3)))
    chosen = held(attach_adapter(language_model(architecture), WEIGHTS))
    assert chosen.keys() == drawn.keys()
    for name, (weight, a, _) in chosen.items():
        best = np.linalg.svd(weight, compute_uv=False)[:3]
        assert float(np.linalg.norm(weight @ a.T)) > 0.97 * float(np.linalg.norm(best))
        assert float(np.linalg.norm(weight @ drawn[name][1].T)) < 0.9 * float(np.linalg.norm(best))


def test_every_party_finds_the_same_basis_and_the_model_says_what_it_said(tmp_path: Path) -> None:
    def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            out: torch.Tensor = model(torch.tensor([ids])).logits
        return out

    base = language_model("llama")
    ids = base.encode_prompt(HELLO)
    before = logits(base.model, ids)
    adapted, other = attach_adapter(base, WEIGHTS), attach_adapter(language_model("llama"), WEIGHTS)
    for one, two in zip(held(adapted).values(), held(other).values(), strict=True):
        assert all(np.array_equal(first, second) for first, second in zip(one, two, strict=True))
    assert torch.equal(logits(base.model, ids), before)
    adapted.load(np.random.default_rng(0).normal(0, 0.3, adapted.spec.dimension).astype(np.float32))
    assert not torch.allclose(logits(base.model, ids), before, atol=1e-2)
    adapted.save(tmp_path)
    released = PeftModel.from_pretrained(language_model("llama").model, str(tmp_path)).eval()
    torch.testing.assert_close(logits(released, ids), logits(base.model, ids), rtol=0, atol=1e-5)


def test_a_basis_is_part_of_what_parties_agree_on() -> None:
    chosen, drawn = (
        attach_adapter(language_model("llama"), AdapterConfig(method="fed-sb", rank=3, basis=basis)).spec
        for basis in ("weights", "drawn")
    )
    assert chosen.dimension == drawn.dimension
    assert chosen.digest() != drawn.digest()


def test_only_a_core_is_trained_in_a_basis() -> None:
    with pytest.raises(ConfigError, match=r"adapter\.basis must be 'drawn' with ffa-lora.*'fed-sb'"):
        FederationPlan.from_run_config({"adapter.basis": "weights"})
    with pytest.raises(ConfigError, match=r"adapter\.basis"):
        FederationPlan.from_run_config({"adapter.method": "fed-sb", "adapter.basis": "gradients"})
    assert FederationPlan.from_run_config({"adapter.method": "fed-sb", "adapter.basis": "weights"}).adapter.basis


def test_packed_weights_have_no_basis() -> None:
    base = language_model("llama")
    for module in base.model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.requires_grad_(False)
            module.weight.data = module.weight.data.to(torch.int8)
    with pytest.raises(AdapterError, match="packed weights"):
        attach_adapter(base, WEIGHTS)
