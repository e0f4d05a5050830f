"""The assistant: what it says, that nothing else changes it, and whose turn it is."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from client.assistant.assistant import Assistant, NotARequestError, ReplySettings
from client.assistant.persona_text import persona_text
from client.personal_training import load_with_personal, train_personal
from client.prompts import with_persona
from client.training import TrainingConfig
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from tests.client.assistant.assistants import PERSONA, REQUEST, Home, greedy, random_state
from tests.tiny import language_model, message, pair

_SHORT = ReplySettings(max_new_tokens=24)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home.make(tmp_path)
    yield made
    made.vault.close()


def _counted(model: LanguageModel) -> list[int]:
    """How many tokens every pass of the model reads, from now on."""
    read: list[int] = []
    model.model.register_forward_pre_hook(
        lambda _module, _args, named: read.append(named["input_ids"].shape[1]), with_kwargs=True
    )
    return read


@pytest.mark.parametrize("architecture", ["llama", "mistral"])
def test_a_conversation_gets_the_replies_that_generate_gives(tmp_path: Path, architecture: str) -> None:
    home = Home.make(tmp_path, language_model(architecture))
    assistant = home.assistant()
    said: tuple[Message, ...] = REQUEST
    for _ in range(3):
        expected = home.base.generate_replies([said], max_new_tokens=24)[0][0]
        stream = assistant.stream(said, _SHORT)
        pieces = list(stream)
        assert "".join(pieces) == expected.text
        assert len(pieces) > 3
        assert (stream.finished, stream.is_whole) == (expected.finished, True)
        assert stream.prompt_tokens == len(home.base.encode_prompt(said))
        assert assistant.reply(said, _SHORT).text == expected.text
        said = (*said, message("assistant", expected.text), message("user", "And sugar?"))
    home.vault.close()


def test_with_and_without_what_was_learned(home: Home) -> None:
    adapted = home.share()
    assistant = home.assistant()
    tuned, plain = greedy(adapted.language_model, REQUEST), greedy(home.base, REQUEST)
    assert tuned != plain
    assert assistant.reply(REQUEST, _SHORT).text == tuned
    assert assistant.reply(REQUEST, _SHORT, tuned=False).text == plain
    with adapted.disabled():
        assert greedy(adapted.language_model, REQUEST) == plain
    assert assistant.reply(REQUEST, _SHORT).text == tuned
    state = assistant.state()
    assert (state.is_shared, state.run, state.round_number, state.problem) == (True, "a" * 32, 1, "")


def test_an_adapter_of_ones_own_is_used_by_its_weight(home: Home) -> None:
    adapted = home.share()
    before = adapted.read()
    change = home.train(weight=0.5)
    load_with_personal(adapted, before, change.vector, 0.5)
    assistant = home.assistant()
    assert assistant.reply(REQUEST, _SHORT).text == greedy(adapted.language_model, REQUEST)
    assert assistant.state().personal_weight == 0.5


def test_a_new_adapter_is_taken_without_a_restart(home: Home) -> None:
    assistant = home.assistant()
    assert not assistant.state().is_tuned
    assert assistant.reply(REQUEST, _SHORT).text == greedy(home.base, REQUEST)
    for number in (1, 2):
        adapted = home.share(seed=number, round_number=number)
        assert assistant.reply(REQUEST, _SHORT).text == greedy(adapted.language_model, REQUEST)
        assert assistant.state().round_number == number
    home.device.forget_personal()
    (home.profile.state_directory / "adapters" / "shared.adapter").unlink()
    assert assistant.reply(REQUEST, _SHORT).text == greedy(home.base, REQUEST)
    assert not assistant.state().is_tuned


def test_a_damaged_adapter_is_named_and_the_base_model_answers(home: Home) -> None:
    home.share()
    assistant = home.assistant()
    path = home.profile.state_directory / "adapters" / "shared.adapter"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert assistant.reply(REQUEST, _SHORT).text == greedy(home.base, REQUEST)
    assert "damaged" in assistant.state().problem
    adapted = home.share(seed=5)
    assert assistant.reply(REQUEST, _SHORT).text == greedy(adapted.language_model, REQUEST)
    assert assistant.state().problem == ""


def test_an_adapter_of_another_base_model_is_not_used(home: Home, tmp_path: Path) -> None:
    home.share()
    other = Assistant(home.profile, home.vault, language_model(seed=9))
    assert other.reply(REQUEST, _SHORT).text == greedy(language_model(seed=9), REQUEST)
    assert "was made for the base model" in other.state().problem


def test_the_persona_is_read_unless_it_is_left_out(home: Home) -> None:
    home.believe()
    assistant = home.assistant()
    assert persona_text(home.vault, home.base) == PERSONA
    about = greedy(home.base, with_persona(REQUEST, PERSONA))
    assert about != greedy(home.base, REQUEST)
    assert assistant.reply(REQUEST, _SHORT).text == about
    assert assistant.reply(REQUEST, _SHORT, tuned=False).text == about
    assert assistant.reply(REQUEST, _SHORT, persona=False).text == greedy(home.base, REQUEST)
    home.believe("Likes long answers.")
    assert assistant.reply(REQUEST, _SHORT).text == greedy(home.base, with_persona(REQUEST, "Likes long answers."))


def test_training_in_another_thread_changes_no_reply(home: Home) -> None:
    adapted = home.share()
    assistant = home.assistant()
    expected = [greedy(adapted.language_model, REQUEST), greedy(home.base, REQUEST)]
    config = TrainingConfig(max_prompt_tokens=64, max_completion_tokens=32)
    done, stop, failed = threading.Event(), threading.Event(), []

    def train() -> None:
        try:
            twin = attach_adapter(home.base.twin(), AdapterConfig())
            state = random_state(twin, seed=3)
            while not stop.is_set():
                # Reference passes with the adapter off, hooks on the LM head, gradients.
                train_personal(twin, state, [pair(index) for index in range(12)], config)
                done.set()
        except Exception as error:
            failed.append(error)
            done.set()

    thread = threading.Thread(target=train)
    thread.start()
    replies: list[list[str]] = []
    while not done.is_set() or len(replies) < 6:
        replies.append([assistant.reply(REQUEST, _SHORT, tuned=tuned).text for tuned in (True, False)])
    stop.set()
    thread.join()
    replies.append([assistant.reply(REQUEST, _SHORT, tuned=tuned).text for tuned in (True, False)])
    assert not failed
    assert replies == [expected] * len(replies)


def test_whoever_goes_away_frees_the_model_at_the_next_token(home: Home) -> None:
    assistant = home.assistant()
    passes = _counted(assistant._plain)
    stream = assistant.stream(REQUEST, ReplySettings(max_new_tokens=100))
    next(stream)
    before = len(passes)
    stream.close()
    assert len(passes) == before
    assert not stream.is_whole
    assert list(stream) == []
    assert assistant.reply(REQUEST, _SHORT).text == greedy(home.base, REQUEST)


def test_a_stream_that_is_closed_from_another_thread_ends_soon(home: Home) -> None:
    assistant = home.assistant()
    begun, pieces = threading.Event(), []
    assistant._plain.model.register_forward_pre_hook(lambda *_: time.sleep(0.01))
    stream = assistant.stream(REQUEST, ReplySettings(max_new_tokens=120))

    def read() -> None:
        for piece in stream:
            pieces.append(piece)
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(10)
    stream.close()
    thread.join(1)
    assert not thread.is_alive()
    assert not stream.is_whole
    assert stream.completion_tokens < 100


def test_a_stream_that_is_dropped_frees_the_model(home: Home) -> None:
    assistant = home.assistant()
    next(assistant.stream(REQUEST, _SHORT))
    gc.collect()
    assert assistant._turn.acquire(timeout=1)


def test_one_reply_at_a_time(home: Home) -> None:
    assistant = home.assistant()
    expected = greedy(home.base, REQUEST)
    first = assistant.stream(REQUEST, _SHORT)
    next(first)
    found = []
    thread = threading.Thread(target=lambda: found.append(assistant.reply(REQUEST, _SHORT).text))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    for _ in first:
        pass
    thread.join(10)
    assert found == [expected]


def test_what_was_read_is_not_read_again_until_it_is_forgotten(home: Home) -> None:
    assistant = home.assistant()
    reply = assistant.reply(REQUEST, _SHORT).text
    said = (*REQUEST, message("assistant", reply), message("user", "And sugar?"))
    passes = _counted(assistant._plain)
    assistant.reply(said, _SHORT)
    whole = len(home.base.encode_prompt(said))
    assert passes[0] < whole - len(home.base.encode_prompt(REQUEST)) + 1
    for forget in (assistant.forget_caches, home.believe):
        forget()
        passes.clear()
        assistant.reply(said, _SHORT)
        assert passes[0] >= whole - 4  # ChatML's header may be the same


def test_a_new_adapter_drops_what_the_old_one_read(home: Home) -> None:
    home.share(seed=1)
    assistant = home.assistant()
    assistant.reply(REQUEST, _SHORT)
    assert len(assistant._tuned_prefix._ids) > 0
    adapted = home.share(seed=2)
    assert assistant.reply(REQUEST, _SHORT).text == greedy(adapted.language_model, REQUEST)
    home.share(seed=3)
    assistant.refresh()
    assert assistant._tuned_prefix._ids == []


def test_a_stop_text_ends_a_reply(home: Home) -> None:
    assistant = home.assistant()
    whole = assistant.reply(REQUEST, _SHORT).text
    stop = whole[10:13]
    found = assistant.reply(REQUEST, ReplySettings(max_new_tokens=24, stop=(stop,)))
    assert found.text == whole[: whole.index(stop)].rstrip()
    assert found.finished


def test_sampling_is_seeded(home: Home) -> None:
    assistant = home.assistant()

    def drawn(seed: int, top_p: float = 1.0) -> str:
        return assistant.reply(REQUEST, ReplySettings(max_new_tokens=24, temperature=1.5, seed=seed, top_p=top_p)).text

    assert drawn(1) == drawn(1) == home.base.generate([REQUEST], max_new_tokens=24, temperature=1.5, seed=1)[0][0]
    assert drawn(1) != drawn(2)
    assert drawn(1, top_p=1e-9) == assistant.reply(REQUEST, _SHORT).text


def test_a_reply_that_is_cut_says_so(home: Home) -> None:
    assistant = home.assistant()
    stream = assistant.stream(REQUEST, ReplySettings(max_new_tokens=3))
    text = "".join(stream)
    assert (stream.finished, stream.is_whole, stream.completion_tokens) == (False, True, 3)
    assert text == greedy(home.base, REQUEST, tokens=3)


def test_a_long_conversation_is_cut_as_generate_cuts_it(home: Home) -> None:
    said = tuple(
        message("user" if turn % 2 == 0 else "assistant", f"bread {turn} rises while it rests") for turn in range(41)
    )
    assistant = home.assistant()
    assert len(home.base.encode_prompt(said)) > home.base.context_length
    assert assistant.reply(said, _SHORT).text == greedy(home.base, said)
    assert assistant.stream(said, ReplySettings(max_new_tokens=100_000)).prompt_tokens <= home.base.context_length // 2


@pytest.mark.parametrize("said", [(), (message("assistant", "Yes."),), (*REQUEST, message("system", "Be brief."))])
def test_what_is_no_request_is_not_answered(home: Home, said: tuple[Message, ...]) -> None:
    with pytest.raises(NotARequestError):
        home.assistant().stream(said, _SHORT)


def test_the_base_model_stays_pristine(home: Home) -> None:
    home.share()
    assistant = home.assistant()
    passes = _counted(assistant.base)
    for tuned in (True, False):
        assistant.reply(REQUEST, _SHORT, tuned=tuned)
    assert passes == []
    assert not any("lora" in name for name, _ in home.base.model.named_modules())
    assert {id(one) for one in assistant._plain.model.parameters()} == {id(one) for one in home.base.model.parameters()}
    assert not torch.is_inference_mode_enabled()
