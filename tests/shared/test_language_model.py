import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import shared.language_model as seam
from shared.decoding import pick
from shared.language_model import LanguageModelError, ModelConfig, load_language_model
from tests.tiny import CONFIGS, STORIES, language_model, message, needs_stories, tokenizer

HELLO = (message("user", "How does bread rise?"),)
LONGER = (message("system", "The user is a beginner."), message("user", "Could you explain how yeast makes gas?"))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    made = language_model("llama")
    made.model.save_pretrained(tmp_path / "my-model")
    made.tokenizer.save_pretrained(tmp_path / "my-model")
    return tmp_path / "my-model"


def test_a_directory_loads_and_is_known_by_its_last_part(saved: Path) -> None:
    loaded = load_language_model(ModelConfig(name=str(saved)))
    original = language_model("llama")
    assert loaded.name == "my-model"
    assert loaded.context_length == 256
    assert loaded.fingerprint() == original.fingerprint()
    assert str(saved.parent) not in repr(loaded)


def test_fingerprint_sees_every_weight() -> None:
    model = language_model("llama")
    other = language_model("llama")
    with torch.no_grad():
        next(iter(other.model.parameters()))[0, 0] += 1e-6
    assert model.fingerprint() == language_model("llama").fingerprint() != other.fingerprint()
    assert language_model("llama", dtype=torch.bfloat16).fingerprint() != model.fingerprint()


def test_fingerprint_sees_template_and_tokenizer(saved: Path) -> None:
    plain = load_language_model(ModelConfig(name=str(saved)))
    assert plain.fingerprint() == language_model("llama").fingerprint()
    other = load_language_model(ModelConfig(name=str(saved), chat_template="{{ messages[0]['content'] }}"))
    assert other.fingerprint() != plain.fingerprint()
    more = language_model("llama")
    more.tokenizer.add_tokens(["yeastling"])
    assert more.fingerprint() != plain.fingerprint()


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    made = language_model("llama")
    made.tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}'
    )
    (tmp_path / "own.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(LanguageModelError):
        load_language_model(ModelConfig(name=str(tmp_path)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "auto"])
def test_dtypes(saved: Path, dtype: str) -> None:
    loaded = load_language_model(ModelConfig(name=str(saved), dtype=dtype, device="cpu"))  # type: ignore[arg-type]
    assert loaded.model.dtype == (torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    assert loaded.log_probabilities([HELLO], [(message("assistant", "Gas."),)]).dtype == torch.float32


def test_attention_is_what_was_asked_for(saved: Path, tmp_path: Path) -> None:
    for attention in ("sdpa", "eager"):
        loaded = load_language_model(ModelConfig(name=str(saved), attention=attention))
        assert loaded.model.config._attn_implementation == attention
    capped = language_model("gemma2", attention="eager")
    capped.model.save_pretrained(tmp_path / "capped")
    capped.tokenizer.save_pretrained(tmp_path / "capped")
    assert load_language_model(ModelConfig(name=str(tmp_path / "capped"))).model.config._attn_implementation == "eager"


def test_missing_models_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "_PACKAGED_DIRECTORY", tmp_path / "nothing")
    with pytest.raises(LanguageModelError, match="tacit-sim pretrain"):
        load_language_model(ModelConfig(name="tacit-tiny"))
    with pytest.raises(LanguageModelError, match="check the path"):
        load_language_model(ModelConfig(name=str(tmp_path / "nowhere")))
    with pytest.raises(LanguageModelError, match=r"no config\.json"):
        load_language_model(ModelConfig(name=str(tmp_path)))


def test_wrong_files_say_what_to_do(saved: Path) -> None:
    (saved / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(LanguageModelError, match="tokenizer files and safetensors") as caught:
        load_language_model(ModelConfig(name=str(saved)))
    assert caught.value.__suppress_context__
    (saved / "config.json").write_text("{}")
    with pytest.raises(LanguageModelError, match="cannot load the language model"):
        load_language_model(ModelConfig(name=str(saved)))


def test_incomplete_weights_are_never_filled_in_at_random(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    weights.pop("model.layers.1.self_attn.q_proj.weight")
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LanguageModelError, match="1 are missing"):
        load_language_model(ModelConfig(name=str(saved)))


def test_a_hub_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(LanguageModelError, match="hub can be reached"):
        load_language_model(ModelConfig(name="tacit-tests/does-not-exist"))


def test_four_bit_names_the_extra_and_the_device(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(LanguageModelError, match=r"tacit\[quantized\]"):
        load_language_model(ModelConfig(name=str(saved), load_in_4bit=True))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    with pytest.raises(LanguageModelError, match="CUDA"):
        load_language_model(ModelConfig(name=str(saved), load_in_4bit=True, device="cpu"))


def test_a_device_that_is_not_there_is_named(saved: Path) -> None:
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(LanguageModelError, match=f"no {missing} device"):
        load_language_model(ModelConfig(name=str(saved), device=missing))  # type: ignore[arg-type]


def test_a_base_model_without_template_is_named_in_a_warning(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    for leftover in saved.glob("chat_template*"):
        leftover.unlink()
    tokenizer(template=None).save_pretrained(saved)
    with caplog.at_level(logging.WARNING):
        loaded = load_language_model(ModelConfig(name=str(saved)))
    assert "'my-model' has no chat template" in caplog.text
    assert loaded.generate([HELLO], max_new_tokens=3)[0]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mistral", "gemma3"])
def test_greedy_batches_equal_greedy_one_by_one(architecture: str) -> None:
    model = language_model(architecture)
    conversations = [HELLO, LONGER, (message("user", "Hi."),)]
    together = model.generate(conversations, max_new_tokens=12)
    alone = [model.generate([turns], max_new_tokens=12)[0] for turns in conversations]
    assert together == alone
    assert model.generate(conversations, max_new_tokens=12, batch_size=2) == together


def test_greedy_decoding_is_the_argmax_of_the_full_forward() -> None:
    model = language_model("llama")
    ids = model.encode_prompt(LONGER)
    begin = len(ids)
    for _ in range(8):
        with torch.no_grad():
            ids.append(int(model.model(torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] in model.chat.end_of_turn_ids:
            break
    assert model.generate([LONGER], max_new_tokens=8) == [[model.chat.decode(ids[begin:])]]


def test_sampling_is_seeded_and_gives_several_replies() -> None:
    model = language_model("llama")
    state = torch.random.get_rng_state()
    first = model.generate([HELLO, LONGER], max_new_tokens=8, temperature=1.0, samples=3, seed=1)
    assert [len(replies) for replies in first] == [3, 3]
    assert len(set(first[0])) > 1
    assert first == model.generate([HELLO, LONGER], max_new_tokens=8, temperature=1.0, samples=3, seed=1)
    assert first != model.generate([HELLO, LONGER], max_new_tokens=8, temperature=1.0, samples=3, seed=2)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen2-window", "qwen3", "mistral", "gpt2", "gemma3"])
def test_what_is_decoded_beside_a_reply_does_not_change_it(architecture: str) -> None:
    model = language_model(architecture)
    model.chat.end_of_turn_ids = frozenset(range(40))  # replies end early, and each at its own time
    conversations = [HELLO, LONGER, (message("user", "Hi."),)]

    def sample(batch_size: int) -> list[list[str]]:
        return model.generate(
            conversations, max_new_tokens=24, temperature=1.0, samples=3, seed=1, batch_size=batch_size
        )

    together = sample(64)
    assert len({len(reply) for replies in together for reply in replies}) > 2
    assert sample(3) == sample(4) == together


def test_sampling_follows_the_models_distribution() -> None:
    model = language_model("llama")
    with torch.no_grad():
        logits = model.model(torch.tensor([model.encode_prompt(HELLO)])).logits[0, -1]
    wanted = torch.softmax(logits / 2.0, dim=-1)
    tokens = pick((logits / 2.0).expand(20_000, -1), torch.tensor(np.random.default_rng(0).random(20_000)))
    found = torch.bincount(tokens, minlength=len(wanted)) / len(tokens)
    assert float((found - wanted).abs().sum()) / 2 < 0.05  # total variation
    assert float((found - torch.softmax(logits, dim=-1)).abs().sum()) / 2 > 0.1, "the bound tells temperatures apart"


def test_a_reply_says_whether_it_came_to_an_end() -> None:
    model = language_model("llama")
    assert not model.generate_replies([HELLO], max_new_tokens=1)[0][0].finished
    model.chat.end_of_turn_ids = frozenset(range(320))  # whatever it says ends its turn
    assert model.generate_replies([HELLO], max_new_tokens=1)[0][0].finished


def test_a_reply_ends_at_the_end_of_its_turn() -> None:
    model = language_model("llama")
    end = model.tokenizer.convert_tokens_to_ids("<|im_end|>")
    with torch.no_grad():  # every reply is one word and the end
        model.model.lm_head.weight.zero_()
        model.model.lm_head.weight[end] = 0.0
        model.model.lm_head.bias = torch.nn.Parameter(torch.zeros(320))
        model.model.lm_head.bias[end] = 5.0
    assert model.generate([HELLO], max_new_tokens=50) == [[""]]


def test_prompts_longer_than_the_context_still_get_a_reply() -> None:
    model = language_model("llama")
    turns = tuple(
        turn for _ in range(30) for turn in (message("user", "And then what happens?"), message("assistant", "More."))
    )
    assert len(model.encode_prompt((*turns, *HELLO))) > model.context_length
    assert len(model.generate([(*turns, *HELLO)], max_new_tokens=4)[0]) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": 4, "samples": 2},
        {"max_new_tokens": 256},
        {"max_new_tokens": 4, "batch_size": 0},
    ],
)
def test_impossible_generation_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be|need a temperature"):
        language_model("llama").generate([HELLO], **settings)


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_log_probabilities_equal_the_full_softmax(architecture: str) -> None:
    model = language_model(architecture, attention="eager" if architecture == "gemma2" else "sdpa")
    prompts = [HELLO, LONGER]
    completions = [(message("assistant", "Yeast eats sugar."),), (message("assistant", "Gas!"),)]
    scores = model.score(prompts, completions)
    for index, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        head = model.encode_prompt(prompt)
        ids, scored = model.encode_completion(prompt, completion)
        with torch.no_grad():
            logits = model.model(torch.tensor([[*head, *ids]])).logits[0].log_softmax(-1)
        expected = sum(
            float(logits[len(head) + place - 1, token])
            for place, (token, counts) in enumerate(zip(ids, scored, strict=True))
            if counts
        )
        assert float(scores.log_probabilities[index]) == pytest.approx(expected, rel=1e-5)
        assert int(scores.tokens[index]) == sum(scored)


def test_log_probabilities_refuse_what_does_not_fit() -> None:
    model = language_model("llama")
    with pytest.raises(ValueError, match="one completion per prompt"):
        model.log_probabilities([HELLO], [])
    with pytest.raises(ValueError, match="longer than the context"):
        model.log_probabilities([HELLO], [(message("assistant", "Yes, yes. " * 200),)])
    assert not model.holds("Yes, yes. " * 200)
    assert model.holds("Yes, yes.")
    assert model.log_probabilities([], []).shape == (0,)


@needs_stories
def test_real_weights_load_and_tell_a_story() -> None:
    model = load_language_model(
        ModelConfig(name=str(STORIES), device="cpu", chat_template="{{ bos_token }}{{ messages[0]['content'] }}")
    )
    reply = model.generate([(message("user", "Once upon a time, there was a little girl named"),)], max_new_tokens=12)
    assert reply[0][0].startswith("Lily")
