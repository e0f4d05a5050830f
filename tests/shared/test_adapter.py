import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from scipy import stats
from torch import Tensor

from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig, AdapterError
from shared.language_model import LanguageModel
from tests.tiny import CONFIGS, language_model, message

HELLO = (message("user", "How does bread rise?"),)


def fresh(architecture: str) -> LanguageModel:
    return language_model(architecture, attention="eager" if architecture == "gemma2" else "sdpa")


def logits(model: LanguageModel) -> Tensor:
    with torch.no_grad():
        out: Tensor = model.model(torch.tensor([model.encode_prompt(HELLO)])).logits
    return out


def trained(adapted: AdaptedModel, seed: int = 0) -> AdaptedModel:
    adapted.load(np.random.default_rng(seed).normal(0, 0.3, adapted.spec.dimension).astype(np.float32))
    return adapted


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_a_fresh_adapter_changes_nothing_and_a_loaded_one_does(architecture: str) -> None:
    model = fresh(architecture)
    before = logits(model)
    adapted = attach_adapter(model, AdapterConfig())
    assert torch.equal(logits(adapted.language_model), before)
    trained(adapted)
    assert not torch.allclose(logits(adapted.language_model), before, atol=1e-2)
    with adapted.disabled():
        assert torch.equal(logits(adapted.language_model), before)
    assert not torch.allclose(logits(adapted.language_model), before, atol=1e-2)


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_peft_loads_a_saved_adapter_to_the_same_logits(architecture: str, tmp_path: Path) -> None:
    adapted = trained(attach_adapter(fresh(architecture), AdapterConfig(rank=3, alpha=5.0, seed=7)))
    adapted.save(tmp_path / "adapter")
    again = PeftModel.from_pretrained(fresh(architecture).model, str(tmp_path / "adapter")).eval()
    ids = torch.tensor([adapted.language_model.encode_prompt(HELLO)])
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, logits(adapted.language_model), rtol=0, atol=1e-5)


def test_saved_files_are_reproducible_and_name_no_path(tmp_path: Path) -> None:
    model = fresh("llama")
    model.model.save_pretrained(tmp_path / "base")
    model.tokenizer.save_pretrained(tmp_path / "base")
    from shared.language_model import ModelConfig, load_language_model

    digests = []
    for name in ("one", "two"):
        loaded = load_language_model(ModelConfig(name=str(tmp_path / "base")))
        trained(attach_adapter(loaded, AdapterConfig())).save(tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        assert [file.name for file in files] == ["adapter_config.json", "adapter_model.safetensors"]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
        text = files[0].read_text()
        assert str(tmp_path) not in text
        assert json.loads(text)["base_model_name_or_path"] == "base"
    assert digests[0] == digests[1]


def test_vectors_round_trip_and_share_only_b() -> None:
    adapted = attach_adapter(fresh("llama"), AdapterConfig(rank=2))
    assert not adapted.read().any()
    assert all(name.endswith("lora_B.weight") and shape[1] == 2 for name, shape in adapted.spec.parameters)
    # 2 layers of q, k, v, o, gate, up, down: out-features 32, 16, 16, 32, 48, 48, 32.
    assert adapted.spec.dimension == 2 * 2 * (32 + 16 + 16 + 32 + 48 + 48 + 32) == adapted.read().size
    vector = np.arange(adapted.spec.dimension, dtype=np.float32)
    adapted.load(vector)
    np.testing.assert_array_equal(adapted.read(), vector)
    trainable = {name for name, weight in adapted.language_model.model.named_parameters() if weight.requires_grad}
    assert len(trainable) == len(adapted.spec.parameters)
    assert all("lora_B" in name for name in trainable)


def test_switching_the_adapter_off_and_on_leaves_a_frozen() -> None:
    adapted = attach_adapter(fresh("llama"), AdapterConfig())
    with adapted.disabled():
        pass
    with pytest.raises(RuntimeError, match="inside"), adapted.disabled():
        raise RuntimeError("inside")
    frozen = [weight for name, weight in adapted.language_model.model.named_parameters() if "lora_A" in name]
    assert frozen
    assert not any(weight.requires_grad for weight in frozen)
    assert all(weight.requires_grad for weight in adapted.shared_parameters())


def frozen_factors(adapted: AdaptedModel) -> dict[str, Tensor]:
    return {name: weight for name, weight in adapted.language_model.model.named_parameters() if "lora_A" in name}


def test_the_frozen_factor_depends_on_seed_and_name_only() -> None:
    torch.manual_seed(1)
    first = frozen_factors(attach_adapter(fresh("llama"), AdapterConfig(seed=3)))
    torch.manual_seed(2)
    again = frozen_factors(attach_adapter(fresh("llama"), AdapterConfig(seed=3, target_modules=("q_proj",))))
    other = frozen_factors(attach_adapter(fresh("llama"), AdapterConfig(seed=4)))
    assert set(again) < set(first)
    assert all(torch.equal(first[name], weight) for name, weight in again.items())
    assert not any(torch.equal(first[name], weight) for name, weight in other.items())
    names = sorted(first)
    assert not torch.equal(first[names[0]], first[names[1]])


def test_the_frozen_factor_has_the_same_bits_on_every_machine() -> None:
    factors = frozen_factors(attach_adapter(fresh("llama"), AdapterConfig(seed=0)))
    digest = hashlib.sha256()
    for name in sorted(factors):
        digest.update(factors[name].detach().numpy().astype("<f4").tobytes())
    assert digest.hexdigest() == "eb3efb3ab6d7fe785554de0f51328ef3648092aa093a5adfb86330fbb00d7589"


def test_the_frozen_factor_is_normal_with_variance_one_over_inputs() -> None:
    factors = frozen_factors(attach_adapter(fresh("llama"), AdapterConfig(rank=64)))
    scaled = np.concatenate([(w.detach().numpy() * np.sqrt(w.shape[1])).ravel() for w in factors.values()])
    assert scaled.size > 20_000
    assert abs(scaled.mean()) < 0.02
    assert scaled.std() == pytest.approx(1.0, abs=0.02)
    assert stats.kstest(scaled, "norm").statistic < 0.012


def test_all_linear_leaves_out_the_head() -> None:
    for architecture in ("llama", "gpt2"):
        names = [name for name, _ in attach_adapter(fresh(architecture), AdapterConfig()).spec.parameters]
        assert names
        assert not any("lm_head" in name for name in names)


def test_a_spec_is_identified_by_all_it_says() -> None:
    digest = attach_adapter(fresh("llama"), AdapterConfig()).spec.digest()
    assert digest == attach_adapter(fresh("llama"), AdapterConfig()).spec.digest()
    for config in (
        AdapterConfig(rank=2),
        AdapterConfig(alpha=4.0),
        AdapterConfig(seed=1),
        AdapterConfig(target_modules=("q_proj",)),
    ):
        assert attach_adapter(fresh("llama"), config).spec.digest() != digest
    assert attach_adapter(language_model("llama", seed=1), AdapterConfig()).spec.digest() != digest


def test_wrong_vectors_and_targets_are_refused() -> None:
    adapted = attach_adapter(fresh("llama"), AdapterConfig())
    size = adapted.spec.dimension
    for vector in (np.zeros(size - 1, np.float32), np.zeros((size, 1), np.float32), np.zeros(size, np.float64)):
        with pytest.raises(AdapterError, match="takes a float32 vector"):
            adapted.load(vector)  # type: ignore[arg-type]
    with pytest.raises(AdapterError, match="finite"):
        adapted.load(np.full(size, np.nan, np.float32))
    with pytest.raises(AdapterError, match="already"):
        attach_adapter(adapted.language_model, AdapterConfig())
    with pytest.raises(AdapterError, match="no_such_module"):
        attach_adapter(fresh("llama"), AdapterConfig(target_modules=("no_such_module",)))
    with pytest.raises(AdapterError, match="rank"):
        AdapterConfig(rank=0)
    with pytest.raises(AdapterError, match="unknown adapter method"):
        AdapterConfig(method="magic")  # type: ignore[arg-type]


def test_a_half_precision_base_carries_a_float32_adapter() -> None:
    adapted = trained(attach_adapter(language_model("llama", dtype=torch.bfloat16), AdapterConfig()))
    assert {weight.dtype for weight in adapted.shared_parameters()} == {torch.float32}
    assert adapted.language_model.model.dtype == torch.bfloat16
