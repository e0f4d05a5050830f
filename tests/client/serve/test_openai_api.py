"""The API as the official client sees it: replies, errors, what is kept, and whose turn it is."""

from __future__ import annotations

import http.client
import json
import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from client.vault.database import Database
from client.vault.errors import VaultBusyError
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from tests.client.assistant.assistants import PERSONA, REQUEST, Home, greedy
from tests.client.serve.served import TOKEN, Served, serving
from tests.tiny import language_model, message

_MARKER = "zebra-spoken-4c1d"
_BREAD: ChatCompletionMessageParam = {"role": "user", "content": REQUEST[0].content}


@pytest.fixture(scope="module")
def base() -> LanguageModel:
    return language_model()


@pytest.fixture
def home(tmp_path: Path, base: LanguageModel) -> Iterator[Home]:
    made = Home.make(tmp_path, base)
    yield made
    made.vault.close()


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    with serving(home) as running:
        yield running


def _said(served: Served, messages: list[ChatCompletionMessageParam], **more: Any) -> str:
    settings = {"model": "tacit", "temperature": 0, "max_tokens": 16, **more}
    text = served.client.chat.completions.create(messages=messages, **settings).choices[0].message.content
    assert isinstance(text, str)
    return text


def _kept(home: Home) -> list[tuple[Message, ...]]:
    return [one.messages for one in home.vault.conversations]


def test_the_three_models(served: Served, home: Home) -> None:
    home.believe()
    adapted = home.share()
    assert [model.id for model in served.client.models.list()] == ["tacit", "tacit-private", "tacit-base"]
    assert served.client.models.retrieve("tacit").id == "tacit"
    persona = (message("system", f"About the user: {PERSONA}"), *REQUEST)
    tuned = greedy(adapted.language_model, persona, tokens=16)
    assert _said(served, [_BREAD]) == _said(served, [_BREAD], model="tacit-private") == tuned
    assert _said(served, [_BREAD], model="tacit-base") == greedy(home.base, REQUEST, tokens=16) != tuned
    with pytest.raises(openai.NotFoundError, match="there is no such model"):
        _said(served, [_BREAD], model="gpt-4o")
    with pytest.raises(openai.NotFoundError):
        served.client.models.retrieve("gpt-4o")
    with pytest.raises(openai.NotFoundError):
        served.client.embeddings.create(model="tacit", input="a")


def test_a_stream_says_what_the_whole_answer_says(served: Served, home: Home) -> None:
    whole = served.client.chat.completions.create(
        model="tacit-private", messages=[_BREAD], temperature=0, max_tokens=32
    )
    chunks = list(
        served.client.chat.completions.create(
            model="tacit-private",
            messages=[_BREAD],
            temperature=0,
            max_tokens=32,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == whole.choices[0].message.content == greedy(home.base, REQUEST, tokens=32)
    assert sum(map(bool, deltas)) > 5
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-2:] == [None, "length"]
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage == chunks[-1].usage
    assert whole.usage.prompt_tokens == len(home.base.encode_prompt(REQUEST))
    assert (whole.usage.completion_tokens, whole.usage.total_tokens) == (32, whole.usage.prompt_tokens + 32)
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert {chunk.id for chunk in chunks} == {chunks[0].id} != {whole.id}


def test_a_stop_text_and_the_end_of_a_turn_finish_a_reply(served: Served) -> None:
    whole = _said(served, [_BREAD])
    for stop in (whole[6:8], [whole[6:8], "never said"]):
        found = served.client.chat.completions.create(model="tacit", messages=[_BREAD], temperature=0, stop=stop)
        assert found.choices[0].message.content == whole[: whole.index(whole[6:8])].rstrip()
        assert found.choices[0].finish_reason == "stop"


def test_text_of_any_script_goes_both_ways(served: Served, home: Home) -> None:
    said = "Naïve 你好 👩\u200d🚀 \u202e?"
    home.base.model.generation_config.eos_token_id = None
    text = _said(served, [{"role": "user", "content": [{"type": "text", "text": said}]}])
    assert text == greedy(home.base, (message("user", said),), tokens=16)
    assert _kept(home) == [(message("user", said), message("assistant", text))]


def test_sampling_is_what_a_request_says(served: Served) -> None:
    drawn = [_said(served, [_BREAD], temperature=1.5, seed=seed) for seed in (-5, -5, 7)]
    assert drawn[0] == drawn[1] != drawn[2]
    unsaid = {_said(served, [_BREAD], model="tacit-private", temperature=openai.omit) for _ in range(4)}
    assert len(unsaid) > 1
    assert _said(served, [_BREAD], temperature=1.5, top_p=0) == _said(served, [_BREAD])


_SYSTEM = {"role": "system", "content": "Be brief."}
_USER = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"frequency_penalty": -1}, "frequency_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_p": -(10**400)}, "top_p"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"seed": "a"}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": 5}, "model"),
        ({"temprature": 1}, "temprature"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [_USER, _SYSTEM]}, "messages"),
        ({"messages": [_USER, "Hello"]}, "messages[1]"),
        ({"messages": [{"role": "tool", "content": "a"}, _USER]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud83d"}]}, "messages[0].content"),
        ({"messages": [{**_USER, "tool_calls": [{"id": "a"}]}]}, "messages[0]"),
    ],
)
def test_what_is_not_supported_is_named_and_never_quoted(api: Served, fields: dict[str, object], param: str) -> None:
    status, answer = api.complete(**fields)
    error = answer["error"]
    assert isinstance(error, dict)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert "Hello" not in json.dumps(answer)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, base: LanguageModel) -> Iterator[Served]:
    home = Home.make(tmp_path_factory.mktemp("api"), base)
    with serving(home) as running:
        yield running
    home.vault.close()


def test_what_changes_nothing_is_accepted(api: Served) -> None:
    status, answer = api.complete(
        n=1, user="me", metadata={"a": "b"}, store=False, presence_penalty=0, frequency_penalty=0.0, logit_bias={},
        logprobs=False, tools=[], tool_choice="none", response_format={"type": "text"}, stop=None, seed=None,
        stream=False, service_tier="auto",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hello", "name": "me"},
            {"role": "assistant", "content": "Yes?", "refusal": None, "tool_calls": None, "annotations": []},
            {"role": "user", "content": [{"type": "text", "text": "How does "}, {"type": "text", "text": "it rise?"}]},
        ],
    )  # fmt: skip
    assert status == 200, answer


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"a"'])
def test_what_is_no_json_object_is_refused(api: Served, body: bytes) -> None:
    status, _, answer = api.ask("POST", "/v1/chat/completions", body)
    assert (status, json.loads(answer)["error"]["type"]) == (400, "invalid_request_error")


def test_errors_are_the_clients_own(api: Served) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        api.client.chat.completions.create(model="tacit", messages=[_BREAD], n=2)
    assert refused.value.param == "n"
    with pytest.raises(openai.AuthenticationError):
        api.client.with_options(api_key="wrong").models.list()
    assert api.ask("GET", "/v1/chat/completions")[0] == 405
    assert api.ask("GET", "/v1/nothing")[0] == 404


def test_a_conversation_is_kept_once_over_its_turns(served: Served, home: Home) -> None:
    said: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief."}]
    for turn in range(3):
        said.append({"role": "user", "content": f"How does bread {turn} rise?"})
        said.append({"role": "assistant", "content": _said(served, said)})
        assert len(home.vault.conversations) == 1
    (kept,) = home.vault.conversations
    assert [(one.role, one.content) for one in kept.messages] == [(one["role"], one["content"]) for one in said]
    facts = home.vault.conversations.facts(kept.conversation_id)
    assert (facts.source, facts.private, facts.messages) == ("chats", False, 7)
    assert kept.started is not None
    # The same conversation with another beginning is another one; so is one that begins anew.
    changed: list[ChatCompletionMessageParam] = [said[0], {"role": "user", "content": "Hello"}, *said[2:4]]
    _said(served, changed)
    _said(served, [said[0], said[1]])
    assert [len(messages) for messages in _kept(home)] == [7, 5, 3]


def test_another_reply_takes_the_place_of_the_last(served: Served, home: Home) -> None:
    first = _said(served, [_BREAD])
    said: list[ChatCompletionMessageParam] = [_BREAD, {"role": "assistant", "content": first}, _BREAD]
    old = _said(served, said)
    new = _said(served, said, temperature=1.5, seed=3)
    assert old != new
    ((*_, last),) = _kept(home)
    assert len(_kept(home)[0]) == 4
    assert last.content == new


def test_what_was_made_private_stays_so_when_it_goes_on(served: Served, home: Home) -> None:
    said: list[ChatCompletionMessageParam] = [_BREAD]
    said.append({"role": "assistant", "content": _said(served, said)})
    (kept,) = home.vault.conversations
    home.vault.mark_private(kept.conversation_id)
    _said(served, [*said, _BREAD])
    assert [(one.private, one.messages) for one in home.vault.conversations.every_facts()] == [(True, 4)]


@pytest.mark.parametrize("model", ["tacit-private", "tacit-base"])
def test_what_is_not_to_be_kept_is_not(served: Served, home: Home, model: str) -> None:
    assert _said(served, [_BREAD], model=model)
    for _ in served.client.chat.completions.create(model=model, messages=[_BREAD], max_tokens=8, stream=True):
        pass
    assert len(home.vault.conversations) == 0


@pytest.mark.parametrize("streams", [True, False])
def test_a_reply_that_cannot_be_kept_is_given_all_the_same(
    served: Served, home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, streams: bool
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise VaultBusyError

    monkeypatch.setattr(type(home.vault.conversations), "put", busy)
    body = json.dumps({"model": "tacit", "messages": [_BREAD], "stream": streams, "max_tokens": 8, "temperature": 0})
    status, headers, answer = served.ask("POST", "/v1/chat/completions", body.encode())
    assert status == 200
    if streams:
        assert b"\n: this reply was not kept\n" in answer
        assert answer.endswith(b"data: [DONE]\n\n")
    else:
        assert headers["x-tacit-kept"] == "no"
        assert json.loads(answer)["choices"][0]["message"]["content"] == greedy(home.base, REQUEST, tokens=8)
    assert "a reply was not kept (VaultBusyError)" in caplog.text


def test_a_vault_that_does_not_answer_is_an_error(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise VaultBusyError

    monkeypatch.setattr(Database, "execute", busy)
    with pytest.raises(openai.InternalServerError) as failed:
        _said(served, [_BREAD])
    assert failed.value.status_code == 503


def test_more_replies_than_may_wait_are_refused_at_once(home: Home) -> None:
    with serving(home, waiting=1) as served:
        served.slow_down(0.02)
        began, results = time.monotonic(), []

        def ask() -> None:
            results.append((served.complete(max_tokens=40)[0], time.monotonic() - began))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in results) == [200, 200, 429, 429]
        assert max(seconds for status, seconds in results if status == 429) < 0.6
        assert served.complete()[0] == 200
        create = served.client.chat.completions.create
        with (
            create(model="tacit-private", messages=[_BREAD], temperature=0, max_tokens=40, stream=True),
            create(model="tacit-private", messages=[_BREAD], temperature=0, max_tokens=40, stream=True),
            pytest.raises(openai.RateLimitError) as refused,
        ):
            _said(served, [_BREAD])
        assert refused.value.response.headers["retry-after"] == "5"
        _wait_until_free(served)


def _wait_until_free(served: Served) -> None:
    deadline = time.monotonic() + 5
    while served.complete()[0] == 429:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("streams", [True, False])
def test_whoever_goes_away_frees_the_model_and_nothing_is_kept(served: Served, home: Home, streams: bool) -> None:
    passes = served.slow_down(0.02)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    body = json.dumps({"model": "tacit", "messages": [_BREAD], "stream": streams, "max_tokens": 150, "temperature": 0})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {TOKEN}"})
    if streams:
        assert connection.getresponse().readline().startswith(b"data: ")
    while len(passes) < 3:
        time.sleep(0.01)
    connection.close()
    time.sleep(0.3)
    stopped = len(passes)
    time.sleep(0.2)
    assert len(passes) == stopped < 40
    assert served.complete(max_tokens=2)[0] == 200
    assert len(home.vault.conversations) == 0


def test_a_reply_that_waits_and_is_not_waited_for_is_not_written(home: Home) -> None:
    with serving(home) as served:
        passes = served.slow_down(0.02)
        with served.client.chat.completions.create(
            model="tacit-private", messages=[_BREAD], stream=True, max_tokens=60
        ) as first:
            next(iter(first))
            waits = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
            body = json.dumps({"model": "tacit", "messages": [_BREAD], "max_tokens": 100})
            waits.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {TOKEN}"})
            time.sleep(0.1)
            waits.close()
            for _ in first:
                pass
        time.sleep(0.2)
        assert len(passes) <= 61


def test_a_stream_that_fails_ends_with_an_error_that_says_nothing(
    served: Served, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    passes = []

    def fail(*_: object) -> None:
        passes.append(1)
        if len(passes) > 12:
            raise RuntimeError(_MARKER)

    hook = served.assistant._plain.model.register_forward_pre_hook(fail)
    received: list[object] = []

    def read() -> None:
        create = served.client.chat.completions.create
        received.extend(create(model="tacit", messages=[_BREAD], temperature=0, stream=True))

    with pytest.raises(openai.APIError, match="the reply failed"):
        read()
    assert len(received) > 1
    with pytest.raises(openai.InternalServerError, match="the reply failed"):
        _said(served, [_BREAD])
    hook.remove()
    assert _MARKER not in caplog.text
    assert "a reply failed (RuntimeError)" in caplog.text
    assert len(home.vault.conversations) == 0
    assert _said(served, [_BREAD])


def test_stopping_the_server_stops_a_reply(home: Home) -> None:
    received: list[bytes] = []

    def read(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        body = json.dumps({"model": "tacit", "messages": [_BREAD], "stream": True, "max_tokens": 200})
        with closing(connection), suppress(http.client.HTTPException, OSError):
            connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {TOKEN}"})
            with connection.getresponse() as answer:
                while line := answer.readline():
                    received.append(line)

    with serving(home) as served:
        served.slow_down(0.2)  # 40 seconds in all
        thread = threading.Thread(target=read, args=(served.port,))
        thread.start()
        while not received:
            time.sleep(0.01)
    thread.join(5)
    assert not thread.is_alive()
    assert b"data: [DONE]\n" not in received
    assert len(home.vault.conversations) == 0


def test_no_text_of_anybody_is_logged(
    home: Home, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    home.believe(f"Likes {_MARKER}.")
    said = [{"role": "user", "content": _MARKER}]
    with serving(home) as served:
        for model in ("tacit", "tacit-private"):
            for streams in (True, False):
                status, answer = _raw(served, model=model, messages=said, stream=streams, max_tokens=8)
                assert status == 200
        for wrong in (
            {"messages": [{"role": _MARKER, "content": _MARKER}]},
            {"messages": said, _MARKER: 1},
            {"messages": said, "stop": [_MARKER * 100]},
            {"model": _MARKER, "messages": said},
        ):
            status, answer = _raw(served, **wrong)
            assert status in (400, 404)
            assert _MARKER not in answer
        assert _raw(served, body=f'{{"{_MARKER}'.encode())[0] == 400
        served.assistant._plain.model.register_forward_pre_hook(_fail_with_marker)
        assert _raw(served, messages=said, model="tacit")[0] == 500
        served.ask("GET", f"/v1/models/{_MARKER}")
        served.ask("GET", f"/{_MARKER}", headers={"Origin": f"http://{_MARKER}"}, token=_MARKER)
    out, err = capfd.readouterr()
    shown = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + out + err
    assert _MARKER not in shown
    assert "a reply failed (RuntimeError)" in shown


def _fail_with_marker(*_: object) -> None:
    raise RuntimeError(_MARKER)


def _raw(served: Served, body: bytes | None = None, **fields: object) -> tuple[int, str]:
    sent = body or json.dumps({"model": "tacit", **fields}).encode()
    status, _, answer = served.ask("POST", "/v1/chat/completions", sent)
    return status, answer.decode()
