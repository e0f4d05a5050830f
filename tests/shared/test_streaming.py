"""Decoding token by token: the tokens that a batch gives, whatever was read before and however it is read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from shared import decoding
from shared.causal_lm import LanguageModel
from shared.chat_format import shorten_prompt
from shared.conversation import Message
from shared.decoding import ReadPrefix, pick
from tests.tiny import CONFIGS, language_model, message

_ASKED = (message("user", "How does bread rise?"),)


def _model(architecture: str) -> LanguageModel:
    return language_model(architecture, attention="eager" if architecture == "gemma2" else "sdpa")


def _streamed(model: LanguageModel, prompt: list[int], **settings: object) -> tuple[list[int], bool]:
    tokens, stream = [], model.stream_tokens(prompt, max_new_tokens=16, **settings)  # type: ignore[arg-type]
    while True:
        try:
            tokens.append(next(stream))
        except StopIteration as ended:
            return tokens, ended.value


@pytest.mark.parametrize("architecture", list(CONFIGS))
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_stream_is_what_generate_gives(
    architecture: str, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_READ_AT_ONCE", 8)
    model, prefix = _model(architecture), ReadPrefix()
    said: tuple[Message, ...] = _ASKED
    for _ in range(3):
        expected = model.generate_replies([said], max_new_tokens=16, temperature=temperature)[0][0]
        prompt, limit = model.fit_prompt(said, max_new_tokens=16)
        assert limit == 16
        for kept in (None, prefix):
            tokens, ended = _streamed(model, prompt, temperature=temperature, prefix=kept)
            assert (model.chat.decode(tokens), ended) == (expected.text, expected.finished)
        said = (*said, message("assistant", expected.text), message("user", "And sugar?"))


def test_a_stream_ends_at_the_end_of_a_turn() -> None:
    model = language_model()
    prompt, _ = model.fit_prompt(_ASKED, max_new_tokens=16)
    tokens, ended = _streamed(model, prompt)
    assert not ended
    assert len(tokens) == 16
    ends_at = next(place for place in range(4, 16) if tokens[place] not in tokens[:place])
    model.model.generation_config.eos_token_id = tokens[ends_at]
    assert _streamed(model, prompt) == (tokens[:ends_at], True)


def test_giving_up_is_asked_before_every_pass() -> None:
    model = language_model()
    prompt, _ = model.fit_prompt(_ASKED, max_new_tokens=16)
    asked: list[bool] = []

    def given_up() -> bool:
        asked.append(True)
        return len(asked) > 4

    assert len(_streamed(model, prompt, given_up=given_up)[0]) == 4
    assert _streamed(model, prompt, given_up=lambda: True) == ([], False)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prefix = language_model(), ReadPrefix()
    prompt, _ = model.fit_prompt(_ASKED, max_new_tokens=16)
    _streamed(model, prompt, prefix=prefix)
    assert len(prefix._ids) == len(prompt) + 15
    monkeypatch.setattr(decoding, "_KEPT_BYTES", 1000)
    _streamed(model, prompt, prefix=prefix)
    assert prefix._ids == []


def test_a_pass_that_fails_leaves_nothing_behind() -> None:
    model, prefix = language_model(), ReadPrefix()
    prompt, _ = model.fit_prompt(_ASKED, max_new_tokens=16)
    expected = _streamed(model, prompt)
    stream = model.stream_tokens(prompt, max_new_tokens=16, prefix=prefix)
    next(stream)

    def fail(*_: object) -> None:
        raise RuntimeError

    hook = model.model.model.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError):
        next(stream)
    hook.remove()
    assert prefix._ids == []
    assert _streamed(model, prompt, prefix=prefix) == expected


def test_what_is_asked_beyond_half_of_the_context_is_given_where_there_is_room() -> None:
    model = language_model()  # of 256 tokens
    prompt, limit = model.fit_prompt(_ASKED, max_new_tokens=10_000)
    assert limit == 256 - len(prompt) > 128
    said = tuple(message("user" if turn % 2 == 0 else "assistant", "bread rises " * 5) for turn in range(9))
    prompt, limit = model.fit_prompt(said, max_new_tokens=10_000)
    assert limit == 128
    assert len(prompt) <= 128


def test_a_very_long_conversation_is_cut_after_few_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    model = language_model()
    turns = [message("user" if turn % 2 == 0 else "assistant", f"bread {turn}") for turn in range(1001)]
    said = (message("system", "Be brief."), *turns)
    read: list[int] = []
    encode = model.chat.encode_prompt

    def counted(messages: Sequence[Message]) -> list[int]:
        read.append(len(messages))
        return encode(messages)

    monkeypatch.setattr(model.chat, "encode_prompt", counted)
    ids, kept, was_cut = shorten_prompt(model.chat, said, max_tokens=150)
    assert len(read) < 20
    assert was_cut
    assert (kept[0], kept[-1], kept[1].role) == (said[0], said[-1], "user")
    assert list(kept[1:]) == turns[-len(kept) + 1 :]
    assert ids == encode(kept)
    one_more = (said[0], *turns[-len(kept) - 1 :])
    assert len(ids) <= 150 < len(encode(one_more))


def test_top_p_leaves_the_likeliest_tokens_that_reach_it() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.15, 0.25]]))
    drawn = [
        {int(pick(logits, torch.tensor([place / 200], dtype=torch.float64), top_p=top_p)) for place in range(200)}
        for top_p in (1.0, 0.8, 0.7, 0.5, 0.01)
    ]
    assert drawn == [{0, 1, 2, 3}, {1, 2, 3}, {1, 3}, {1}, {1}]
    uniform = torch.linspace(0, 0.999, 1000, dtype=torch.float64)
    found = pick(logits.expand(1000, -1), uniform, top_p=0.7)
    assert abs(float((found == 1).double().mean()) - 2 / 3) < 0.01
