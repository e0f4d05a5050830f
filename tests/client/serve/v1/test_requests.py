"""The API as the official client sees it: replies, errors, and what is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from client.vault.database import Database
from client.vault.errors import VaultBusyError
from shared.causal_lm import LanguageModel
from tests.client.assistant.assistants import PERSONA, REQUEST, Home, greedy
from tests.client.serve.served import Served, serving
from tests.client.serve.v1.speaking import BREAD, answer_to, kept_of
from tests.tiny import message


def test_the_three_models(served: Served, home: Home) -> None:
    home.believe()
    adapted = home.share()
    assert [model.id for model in served.client.models.list()] == ["tacit", "tacit-private", "tacit-base"]
    assert served.client.models.retrieve("tacit").id == "tacit"
    persona = (message("system", f"About the user: {PERSONA}"), *REQUEST)
    tuned = greedy(adapted.language_model, persona, tokens=16)
    assert answer_to(served, [BREAD]) == answer_to(served, [BREAD], model="tacit-private") == tuned
    assert answer_to(served, [BREAD], model="tacit-base") == greedy(home.base, REQUEST, tokens=16) != tuned
    with pytest.raises(openai.NotFoundError, match="there is no such model"):
        answer_to(served, [BREAD], model="gpt-4o")
    with pytest.raises(openai.NotFoundError):
        served.client.models.retrieve("gpt-4o")
    with pytest.raises(openai.NotFoundError):
        served.client.embeddings.create(model="tacit", input="a")


def test_a_stream_says_what_the_whole_answer_says(served: Served, home: Home) -> None:
    whole = served.client.chat.completions.create(model="tacit-private", messages=[BREAD], temperature=0, max_tokens=32)
    chunks = list(
        served.client.chat.completions.create(
            model="tacit-private",
            messages=[BREAD],
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
    whole = answer_to(served, [BREAD])
    for stop in (whole[6:8], [whole[6:8], "never said"]):
        found = served.client.chat.completions.create(model="tacit", messages=[BREAD], temperature=0, stop=stop)
        assert found.choices[0].message.content == whole[: whole.index(whole[6:8])].rstrip()
        assert found.choices[0].finish_reason == "stop"


def test_text_of_any_script_goes_both_ways(served: Served, home: Home) -> None:
    said = "Naïve 你好 👩\u200d🚀 \u202e?"
    home.base.model.generation_config.eos_token_id = None
    text = answer_to(served, [{"role": "user", "content": [{"type": "text", "text": said}]}])
    assert text == greedy(home.base, (message("user", said),), tokens=16)
    assert kept_of(home) == [(message("user", said), message("assistant", text))]


def test_sampling_is_what_a_request_says(served: Served) -> None:
    drawn = [answer_to(served, [BREAD], temperature=1.5, seed=seed) for seed in (-5, -5, 7)]
    assert drawn[0] == drawn[1] != drawn[2]
    unsaid = {answer_to(served, [BREAD], model="tacit-private", temperature=openai.omit) for _ in range(4)}
    assert len(unsaid) > 1
    assert answer_to(served, [BREAD], temperature=1.5, top_p=0) == answer_to(served, [BREAD])


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
        api.client.chat.completions.create(model="tacit", messages=[BREAD], n=2)
    assert refused.value.param == "n"
    with pytest.raises(openai.AuthenticationError):
        api.client.with_options(api_key="wrong").models.list()
    assert api.ask("GET", "/v1/chat/completions")[0] == 405
    assert api.ask("GET", "/v1/nothing")[0] == 404


def test_a_conversation_is_kept_once_over_its_turns(served: Served, home: Home) -> None:
    said: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief."}]
    for turn in range(3):
        said.append({"role": "user", "content": f"How does bread {turn} rise?"})
        said.append({"role": "assistant", "content": answer_to(served, said)})
        assert len(home.vault.conversations) == 1
    (kept,) = home.vault.conversations
    assert [(one.role, one.content) for one in kept.messages] == [(one["role"], one["content"]) for one in said]
    facts = home.vault.conversations.facts(kept.conversation_id)
    assert (facts.source, facts.private, facts.messages) == ("chats", False, 7)
    assert kept.started is not None
    # The same conversation with another beginning is another one; so is one that begins anew.
    changed: list[ChatCompletionMessageParam] = [said[0], {"role": "user", "content": "Hello"}, *said[2:4]]
    answer_to(served, changed)
    answer_to(served, [said[0], said[1]])
    assert [len(messages) for messages in kept_of(home)] == [7, 5, 3]


def test_another_reply_takes_the_place_of_the_last(served: Served, home: Home) -> None:
    first = answer_to(served, [BREAD])
    said: list[ChatCompletionMessageParam] = [BREAD, {"role": "assistant", "content": first}, BREAD]
    old = answer_to(served, said)
    new = answer_to(served, said, temperature=1.5, seed=3)
    assert old != new
    ((*_, last),) = kept_of(home)
    assert len(kept_of(home)[0]) == 4
    assert last.content == new


def test_what_was_made_private_stays_so_when_it_goes_on(served: Served, home: Home) -> None:
    said: list[ChatCompletionMessageParam] = [BREAD]
    said.append({"role": "assistant", "content": answer_to(served, said)})
    (kept,) = home.vault.conversations
    home.vault.mark_private(kept.conversation_id)
    answer_to(served, [*said, BREAD])
    assert [(one.private, one.messages) for one in home.vault.conversations.every_facts()] == [(True, 4)]


@pytest.mark.parametrize("model", ["tacit-private", "tacit-base"])
def test_what_is_not_to_be_kept_is_not(served: Served, home: Home, model: str) -> None:
    assert answer_to(served, [BREAD], model=model)
    for _ in served.client.chat.completions.create(model=model, messages=[BREAD], max_tokens=8, stream=True):
        pass
    assert len(home.vault.conversations) == 0


@pytest.mark.parametrize("streams", [True, False])
def test_a_reply_that_cannot_be_kept_is_given_all_the_same(
    served: Served, home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, streams: bool
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise VaultBusyError

    monkeypatch.setattr(type(home.vault.conversations), "put", busy)
    body = json.dumps({"model": "tacit", "messages": [BREAD], "stream": streams, "max_tokens": 8, "temperature": 0})
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
        answer_to(served, [BREAD])
    assert failed.value.status_code == 503
