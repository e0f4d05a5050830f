import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, MambaConfig

from client.packing import (
    EncodedPair,
    UnsupportedArchitectureError,
    batches_by_length,
    encode_pair,
    pack,
    packed_log_probabilities,
)
from client.packing_check import check_architecture
from client.prompts import with_persona
from shared.chat_format import ScoredTokens
from shared.conversation import PreferencePair
from shared.language_model import LanguageModel
from tests.tiny import CONFIGS, language_model, message, multi_turn_pair, pair, tokenizer

PAIRS = [*(pair(index) for index in range(4)), multi_turn_pair(), pair(5, persona=None)]
COMBINATIONS = [
    (architecture, attention)
    for architecture in sorted(CONFIGS)
    for attention in ("sdpa", "eager")
    if (architecture, attention) != ("gemma2", "sdpa")  # does not exist: its attention scores are capped
]


def encoded(
    model: LanguageModel, pairs: list[PreferencePair], *, prompt: int = 200, reply: int = 100
) -> list[EncodedPair]:
    return [encode_pair(model, one, max_prompt_tokens=prompt, max_completion_tokens=reply) for one in pairs]


@pytest.mark.parametrize(("architecture", "attention"), COMBINATIONS)
def test_packed_rows_equal_two_rows(architecture: str, attention: str) -> None:
    model = language_model(architecture, attention=attention)
    check_architecture(model)
    with torch.inference_mode():
        packed = packed_log_probabilities(model, pack(model, encoded(model, PAIRS)))
    prompts = [with_persona(one.prompt, one.persona) for one in PAIRS]
    chosen = model.log_probabilities(prompts, [one.chosen for one in PAIRS])
    rejected = model.log_probabilities(prompts, [one.rejected for one in PAIRS])
    torch.testing.assert_close(packed.chosen, chosen, rtol=0, atol=1e-4)
    torch.testing.assert_close(packed.rejected, rejected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", ["mistral", "gemma3", "qwen2-window"])
def test_a_window_shorter_than_the_row_matters(architecture: str) -> None:
    # Guards the test above: with a window that covers the row, these very models say something else.
    model = language_model(architecture)
    with torch.inference_mode():
        narrow = packed_log_probabilities(model, pack(model, encoded(model, PAIRS)))
        model.model.config.sliding_window = 1000
        wide = packed_log_probabilities(model, pack(model, encoded(model, PAIRS)))
    assert (narrow.chosen - wide.chosen).abs().mean() > 0.05


def test_the_rejected_reply_cannot_see_the_chosen_one() -> None:
    model = language_model("llama")
    one, other = encoded(model, [pair(0)])[0], encoded(model, [pair(3)])[0]
    swapped = EncodedPair(prompt=one.prompt, chosen=other.chosen, rejected=one.rejected)
    with torch.inference_mode():
        first = packed_log_probabilities(model, pack(model, [one]))
        second = packed_log_probabilities(model, pack(model, [swapped]))
    assert abs(float(first.chosen - second.chosen)) > 0.1
    torch.testing.assert_close(first.rejected, second.rejected, rtol=0, atol=1e-4)


def test_padding_changes_nothing() -> None:
    model = language_model("llama")
    rows = encoded(model, PAIRS)
    with torch.inference_mode():
        together = packed_log_probabilities(model, pack(model, rows))
        alone = [packed_log_probabilities(model, pack(model, [row])) for row in rows]
    torch.testing.assert_close(together.chosen, torch.cat([row.chosen for row in alone]), rtol=0, atol=1e-4)
    torch.testing.assert_close(together.rejected, torch.cat([row.rejected for row in alone]), rtol=0, atol=1e-4)


def test_only_completion_positions_reach_the_head() -> None:
    model = language_model("llama")
    batch = pack(model, encoded(model, PAIRS))
    seen: list[int] = []
    head = model.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda _m, _i, out: seen.append(out.shape[:-1].numel()))
    packed_log_probabilities(model, batch)
    hook.remove()
    assert seen == [len(batch.targets)] == [int((batch.chosen_tokens + batch.rejected_tokens).sum())]
    assert model.model(torch.zeros(1, 5, dtype=torch.int64)).logits.shape[1] == 5  # the narrowing is gone again


def test_counts_of_tokens() -> None:
    model = language_model("llama")
    rows = encoded(model, PAIRS)
    batch = pack(model, rows)
    assert batch.token_count == sum(len(row) for row in rows)
    assert batch.chosen_tokens.tolist() == [sum(row.chosen.scored) for row in rows]
    assert batch.rejected_tokens.tolist() == [sum(row.rejected.scored) for row in rows]
    assert sum(rows[4].chosen.scored) < len(rows[4].chosen.ids)  # the user's turn in between is not scored


def test_half_precision_scores_in_float32() -> None:
    model = language_model("llama", dtype=torch.bfloat16)
    check_architecture(model)
    full = language_model("llama")
    with torch.inference_mode():
        half = packed_log_probabilities(model, pack(model, encoded(model, PAIRS)))
        exact = packed_log_probabilities(full, pack(full, encoded(full, PAIRS)))
    assert half.chosen.dtype == torch.float32
    torch.testing.assert_close(half.chosen, exact.chosen, rtol=0.05, atol=0.5)


def test_truncation_keeps_persona_and_last_turn_and_is_reported() -> None:
    model = language_model("llama")
    history = tuple(
        turn for index in range(8) for turn in (message("user", f"Why {index}?"), message("assistant", "Because."))
    )
    long = PreferencePair(
        prompt=(*history, message("user", "The last question.")),
        chosen=(message("assistant", "Short."),),
        rejected=(message("assistant", "A very long answer indeed. " * 12),),
        persona="a beginner",
    )
    cut = encode_pair(model, long, max_prompt_tokens=80, max_completion_tokens=20)
    words = str(model.tokenizer.decode(list(cut.prompt)))
    assert cut.prompt_was_cut
    assert cut.completion_was_cut
    assert len(cut.prompt) <= 80
    assert len(cut.rejected.ids) == len(cut.rejected.scored) == 20
    assert "a beginner" in words
    assert "The last question." in words
    assert str(model.tokenizer.decode(list(cut.chosen.ids))) == "Short.<|im_end|>"
    whole = encode_pair(model, pair(0), max_prompt_tokens=200, max_completion_tokens=100)
    assert not whole.prompt_was_cut
    assert not whole.completion_was_cut


def test_pairs_longer_than_the_context_are_cut_to_it() -> None:
    model = language_model("gpt2")  # positions beyond its table would be an error
    long = PreferencePair(
        prompt=(message("user", "words and " * 200),),
        chosen=(message("assistant", "yes " * 200),),
        rejected=(message("assistant", "no " * 200),),
    )
    row = encode_pair(model, long, max_prompt_tokens=4000, max_completion_tokens=4000)
    assert len(row.prompt) + max(len(row.chosen.ids), len(row.rejected.ids)) <= model.context_length
    with torch.inference_mode():
        assert packed_log_probabilities(model, pack(model, [row])).chosen.isfinite().all()


def test_batches_are_of_similar_length_and_lose_nobody() -> None:
    rows = [
        EncodedPair(
            prompt=(1,) * size,
            chosen=ScoredTokens(ids=(1,), scored=(True,)),
            rejected=ScoredTokens(ids=(2,), scored=(True,)),
        )
        for size in (9, 1, 5, 3, 7)
    ]
    assert list(batches_by_length(rows, pairs_per_batch=2)) == [[1, 3], [2, 4], [0]]
    assert list(batches_by_length([], pairs_per_batch=2)) == []
    lengths = [len(row) for row in rows]
    for tokens in (1, max(lengths), 2 * min(lengths), 3 * max(lengths)):
        found = list(batches_by_length(rows, pairs_per_batch=4, tokens_per_batch=tokens))
        assert sorted(index for batch in found for index in batch) == [0, 1, 2, 3, 4]
        assert all(len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= tokens for batch in found)
        assert len(found) == 5 or tokens > 1


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        pack(language_model("llama"), [])


def test_reprs_show_no_content() -> None:
    row = encoded(language_model("llama"), [pair(0)])[0]
    assert repr(row) == f"EncodedPair({len(row.prompt)} + {len(row.chosen.ids)} + {len(row.rejected.ids)} tokens)"
    assert str(list(row.chosen.ids))[1:-1] not in repr(pack(language_model("llama"), [row]))


def test_architectures_that_packed_rows_do_not_fit_are_refused_by_name() -> None:
    recurrent = MambaConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2, state_size=8)
    biased = BloomConfig(vocab_size=320, hidden_size=32, n_layer=2, n_head=4)
    for config in (recurrent, biased):
        torch.manual_seed(0)
        model = LanguageModel(name="odd", model=AutoModelForCausalLM.from_config(config), tokenizer=tokenizer())
        with pytest.raises(UnsupportedArchitectureError, match=config.model_type):
            check_architecture(model)


def test_other_attention_kernels_are_refused_by_name() -> None:
    model = language_model("llama")
    model.model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(UnsupportedArchitectureError, match="flash_attention_2"):
        pack(model, encoded(model, PAIRS))


def test_chunked_layers_are_refused_by_name() -> None:
    model = language_model("qwen2")
    model.model.config.layer_types = ["chunked_attention", "full_attention"]
    with pytest.raises(UnsupportedArchitectureError, match=r"qwen2.*chunked_attention"):
        check_architecture(model)
