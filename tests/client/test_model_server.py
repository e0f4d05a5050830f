"""A model behind a server: what it is asked, what is made of its answers, and which models are refused."""

from __future__ import annotations

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from client.endpoint_policy import EndpointRefusedError
from client.model_connection import ServerLimits
from client.model_server import ModelServerError
from shared.conversation import Message
from shared.generation import GeneratedReply, ReplyGenerator
from tests.client.scripted_server import (
    PROMPT,
    REPLY,
    Asked,
    Script,
    Serve,
    answer,
    ask,
    client,
    completion,
    echo,
    raw,
    send,
    send_json,
    value,
)


def test_it_is_a_reply_generator(serve: Serve) -> None:
    server = serve(value(completion(REPLY)))
    generator: ReplyGenerator = client(server)

    assert generator.generate_replies([ask()], max_new_tokens=7) == [[GeneratedReply(text=REPLY, finished=True)]]
    assert generator.name == f"tiny@127.0.0.1:{server.port}"


def test_its_texts_are_asked_for_as_the_protocol_says(serve: Serve) -> None:
    server = serve(value(completion(REPLY)))
    generator = client(server)

    assert generator.generate([ask()], max_new_tokens=7) == [[REPLY]]
    assert generator.name == f"tiny@127.0.0.1:{server.port}"
    (asked,) = server.completions
    assert asked.values["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": PROMPT},
    ]
    assert {key: asked.values[key] for key in ("model", "max_tokens", "temperature", "top_p", "stream")} == {
        "model": "tiny", "max_tokens": 7, "temperature": 0.0, "top_p": 1.0, "stream": False,
    }  # fmt: skip
    assert "n" not in asked.values
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert "authorization" not in asked.headers


def test_text_of_any_script_goes_and_comes_unchanged(serve: Serve) -> None:
    server = serve(lambda handler, asked: send_json(handler, completion(asked.prompt)))
    texts = ["", "naïve Ångström — 数学 🦓", 'quote " back \\ slash', "line\nend\ttab \x00 nul", "e\u0301"]

    assert client(server).generate([ask(text) for text in texts], max_new_tokens=9) == [[text] for text in texts]


def test_replies_come_in_the_order_given_however_they_arrive(serve: Serve) -> None:
    active, most, lock, together = 0, 0, threading.Lock(), threading.Barrier(4)

    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        if int(asked.prompt) < 4:
            together.wait(timeout=10)  # only four at once pass
        time.sleep(0.05 if int(asked.prompt) % 4 == 0 else 0.01)  # the first of each four comes last
        with lock:
            active -= 1
        echo(handler, asked)

    server = serve(script)
    replies = client(server).generate([ask(str(number)) for number in range(24)], max_new_tokens=5)

    assert [reply.split("/")[0] for (reply,) in replies] == [str(number) for number in range(24)]
    assert most == 4, "four requests in flight, no more and no fewer"
    assert server.connections <= 5, "connections are used again; the check's closes, since nobody reads the 404"


def test_batch_size_bounds_the_requests_in_flight(serve: Serve) -> None:
    server = serve(echo)

    client(server).generate([ask(str(number)) for number in range(6)], max_new_tokens=5, batch_size=1)

    assert server.connections == 2
    assert [asked.prompt for asked in server.completions] == [str(number) for number in range(6)]


def test_samples_are_asked_for_with_n(serve: Serve) -> None:
    server = serve(echo)

    replies = client(server).generate([ask("a"), ask("b")], max_new_tokens=5, temperature=0.7, samples=3, seed=1)

    assert [[reply.split("/")[:2] for reply in of_one] for of_one in replies] == [
        [[prompt, str(place)] for place in range(3)] for prompt in "ab"
    ]
    assert [asked.values["n"] for asked in server.completions] == [3, 3]
    assert {asked.values["temperature"] for asked in server.completions} == {0.7}


@pytest.mark.parametrize("how", ["one choice whatever n", "HTTP 400", "HTTP 500"])
def test_a_server_that_does_not_know_n_is_asked_one_by_one_with_seeds_of_their_own(serve: Serve, how: str) -> None:
    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.n > 1 and how != "one choice whatever n":
            send_json(handler, {"error": "only one choice is allowed"}, status=int(how.removeprefix("HTTP ")))
        else:
            send_json(handler, completion(f"{asked.prompt}/{asked.values['seed']}"))

    server = serve(script)
    model = client(server, limits=ServerLimits(concurrency=1, retry_seconds=0.01))
    first = model.generate([ask("a"), ask("b")], max_new_tokens=5, temperature=1.0, samples=4, seed=3)
    asked_first = len(server.completions)
    again = model.generate([ask("a"), ask("b")], max_new_tokens=5, temperature=1.0, samples=4, seed=3)
    other = model.generate([ask("a"), ask("b")], max_new_tokens=5, temperature=1.0, samples=4, seed=4)

    assert [[reply.split("/")[0] for reply in of_one] for of_one in first] == [["a"] * 4, ["b"] * 4]
    seeds = [int(reply.split("/")[1]) for of_one in first for reply in of_one]
    assert len(set(seeds)) == 8
    assert all(0 < seed < 2**31 for seed in seeds)
    assert again == first, "the same seed asks the same, once it is known that n is ignored"
    assert not {reply for of_one in first for reply in of_one} & {reply for of_one in other for reply in of_one}
    assert asked_first == (8 if how == "one choice whatever n" else 9), "n is tried once"
    assert not [asked for asked in server.completions[asked_first:] if asked.n > 1]


def test_a_real_refusal_is_not_taken_for_ignorance_of_n(serve: Serve) -> None:
    server = serve(value({"error": "too long"}, status=400))

    with pytest.raises(ModelServerError, match="HTTP 400") as caught:
        client(server).generate([ask()], max_new_tokens=5, temperature=1.0, samples=2)

    assert caught.value.status == 400


def test_whether_a_reply_was_cut_is_told(serve: Serve) -> None:
    reasons: dict[str, object] = {"a": "stop", "b": "length", "c": "content_filter", "d": None}
    server = serve(lambda handler, asked: send_json(handler, completion(REPLY, reason=reasons[asked.prompt])))
    model = client(server)

    replies = model.generate_replies([ask(name) for name in reasons], max_new_tokens=5)

    assert [reply for (reply,) in replies] == [GeneratedReply(text=REPLY, finished=name == "a") for name in reasons]
    assert REPLY not in repr(replies)
    assert model.generate([ask("b"), ask("a")], max_new_tokens=5) == [[REPLY], [REPLY]]


def test_a_reply_without_a_reason_is_not_taken_as_finished(serve: Serve) -> None:
    server = serve(value({"choices": [{"message": {"content": REPLY}}]}))

    assert client(server).generate_replies([ask()], max_new_tokens=5) == [[GeneratedReply(text=REPLY, finished=False)]]


@pytest.mark.parametrize(
    "change",
    [
        {"max_new_tokens": 0}, {"samples": 0}, {"batch_size": 0}, {"temperature": -1.0}, {"temperature": float("nan")},
        {"samples": 2, "temperature": 0.0},
    ],
)  # fmt: skip
def test_senseless_sizes_are_refused_before_anything_is_sent(serve: Serve, change: dict[str, float]) -> None:
    server = serve(echo)

    with pytest.raises(ValueError, match=r"temperature"):
        client(server).generate([ask()], **{"max_new_tokens": 5, "temperature": 1.0, **change})  # type: ignore[arg-type]

    assert not server.asked


def test_conversations_that_do_not_end_with_the_user_are_refused_and_none_is_no_work(serve: Serve) -> None:
    server = serve(echo)

    for turns in ([], [Message(role="user", content=PROMPT), Message(role="assistant", content=REPLY)]):
        with pytest.raises(ValueError, match="end with the user") as caught:
            client(server).generate([ask(), turns], max_new_tokens=5)
        assert PROMPT not in str(caught.value)
    assert client(server).generate([], max_new_tokens=5) == []
    assert not server.asked


@pytest.mark.parametrize("field", ["concurrency", "attempts", "max_reply_bytes"])
def test_limits_must_be_positive(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        ServerLimits(**{field: 0})
    with pytest.raises(ValueError, match="reply_seconds"):
        ServerLimits(reply_seconds=float("inf"))


# What a server can do wrong. Every text says PROMPT or REPLY, none of which may come out.
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
_WHOLE = json.dumps(completion(REPLY)).encode()
_BROKEN: dict[str, tuple[Script, str]] = {
    "not JSON": (answer(b"<html>" + REPLY.encode()), "not a JSON object"),
    "cut JSON": (answer(_WHOLE[:-4]), "not a JSON object"),
    "two values": (answer(_WHOLE + _WHOLE), "not a JSON object"),
    "empty": (answer(b""), "not a JSON object"),
    "a list": (value([REPLY]), "not a JSON object"),
    "not UTF-8": (answer(_WHOLE.replace(b"OKAPI", b"OKAPI\xff\xfe")), "not a JSON object in UTF-8"),
    "UTF-16": (answer(_WHOLE.decode().encode("utf-16")), "not a JSON object in UTF-8"),
    "too deep": (answer(b"[" * 100_000 + b"]" * 100_000), "not a JSON object"),
    "huge number": (answer(b'{"choices": ' + b"9" * 10_000 + b"}"), "not a JSON object"),
    "no choices": (value({"text": REPLY}), "choices"),
    "choices null": (value({"choices": None, "text": REPLY}), "choices"),
    "no choice": (value({"choices": [], "text": REPLY}), "choices"),
    "too many choices": (value(completion(REPLY, REPLY)), "choices"),
    "a choice that is text": (value({"choices": [REPLY]}), "no text"),
    "a choice without message": (value({"choices": [{"text": REPLY}]}), "no text"),
    "a message that is text": (value({"choices": [{"message": REPLY}]}), "no text"),
    "content null": (value({"choices": [{"message": {"content": None, "reasoning": REPLY}}]}), "no text"),
    "content in parts": (value({"choices": [{"message": {"content": [{"text": REPLY}]}}]}), "no text"),
    "half a surrogate pair": (value(completion(REPLY + "\ud83d")), "surrogate"),
    "body shorter than said": (raw(_HEAD % (len(_WHOLE) + 9) + _WHOLE), "broke off"),
    "chunk cut": (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + _WHOLE), "broke off"),
    "not HTTP": (raw(REPLY.encode() + b"\r\n\r\n"), "without an answer"),
    "endless header": (raw(b"HTTP/1.1 200 OK\r\nX: " + REPLY.encode() * 20_000), "without an answer"),
    "hangs up": (raw(b""), "without an answer"),
    "compressed": (answer(_WHOLE, headers={"Content-Encoding": "gzip"}), "compressed"),
    "giant, as it says": (answer(b" " * 300_000 + _WHOLE), "longer than 200,000 bytes"),
    "giant, in chunks": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"ffff\r\n" + b" " * 0xFFFF + b"\r\n") * 5),
        "longer than 200,000 bytes",
    ),
    "echo in reason and header": (
        raw(b"HTTP/1.1 500 ZEBRA\r\nX-Echo: ZEBRA\r\nContent-Length: 12\r\n\r\n" + REPLY.encode()),
        "HTTP 500",
    ),
    "protocol switch": (raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n" + REPLY.encode()), "without an answer"),
    **{
        f"HTTP {status}": (value({"error": {"message": f"{PROMPT} {REPLY}"}}, status=status), f"HTTP {status}")
        for status in (201, 204, 400, 401, 403, 404, 413, 418, 422, 429, 500, 502, 503)
    },
}  # fmt: skip


@pytest.mark.parametrize("name", _BROKEN)
def test_every_wrong_answer_is_one_clear_error_that_holds_no_text(
    serve: Serve, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    script, said = _BROKEN[name]
    server = serve(script)
    limits = ServerLimits(retry_seconds=0.01, reply_seconds=5.0, max_reply_bytes=200_000)

    with caplog.at_level(logging.DEBUG), pytest.raises(ModelServerError) as caught:
        client(server, limits=limits).generate([ask()], max_new_tokens=5)

    error = caught.value
    assert said in str(error)
    assert str(error).startswith(f"127.0.0.1:{server.port}: ")
    assert error.__cause__ is None
    assert error.__context__ is None
    output = capfd.readouterr()
    for text in (str(error), repr(error), repr(vars(error)), caplog.text, output.out, output.err):
        assert "ZEBRA" not in text
        assert "OKAPI" not in text


def test_a_good_call_logs_no_text_either(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(lambda handler, asked: send(handler, _WHOLE, headers={"X-Echo": asked.prompt}))

    with caplog.at_level(logging.DEBUG):
        client(server).generate([ask()], max_new_tokens=5)

    assert "ZEBRA" not in caplog.text
    assert "OKAPI" not in caplog.text


def test_one_wrong_answer_fails_the_whole_call_and_gives_the_rest_up(serve: Serve) -> None:
    server = serve(echo)

    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        if asked.prompt == "1":
            send_json(handler, {"choices": []})
        elif int(asked.prompt) < 4:
            server.released.wait(20)  # these hang
        else:
            echo(handler, asked)

    server.script = script
    model = client(server, limits=ServerLimits(reply_seconds=15.0))
    began = time.monotonic()

    with pytest.raises(ModelServerError, match="choices"):
        model.generate([ask(str(number)) for number in range(50)], max_new_tokens=5)

    assert time.monotonic() - began < 3, "the hanging requests are not waited for"
    assert len(server.completions) < 50, "those not yet sent are not sent"
    assert model.generate([ask("7")], max_new_tokens=5)[0][0].startswith("7/"), "the next call is not disturbed"


def test_a_model_that_the_server_does_not_have_is_named_with_those_it_has(serve: Serve) -> None:
    server = serve(echo)
    server.models = [{"id": "llama3.2:latest"}, {"id": "qwen3:4b"}, {"id": f"odd {PROMPT}"}]

    with pytest.raises(ModelServerError, match=r"it has: llama3\.2:latest, qwen3:4b and 1 more$") as caught:
        client(server).generate([ask()], max_new_tokens=5)

    assert PROMPT not in str(caught.value)
    assert not server.completions, "no text is sent for a model that is not there"
    assert client(server).models() == ("llama3.2:latest", "qwen3:4b", f"odd {PROMPT}")
    client(server, model="llama3.2").check()
    client(server, model="qwen3:4b").check()


@pytest.mark.parametrize("models", [REPLY, [REPLY], [{"name": REPLY}], {"id": REPLY}, [{"id": "tiny"}, {"id": 3}]])
def test_a_list_of_models_that_is_none_is_an_error(serve: Serve, models: object) -> None:
    server = serve(echo)
    server.models = models

    with pytest.raises(ModelServerError, match="list of models") as caught:
        client(server).check()

    assert REPLY not in str(caught.value)


def test_ollama_without_models_has_none(serve: Serve) -> None:
    server = serve(echo)
    server.models = None

    assert client(server).models() == ()
    with pytest.raises(ModelServerError, match="it has: none"):
        client(server).check()


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "glm-4.6:cloud", "a/b:CLOUD"])
def test_a_model_that_ollama_runs_elsewhere_by_its_name_is_refused(serve: Serve, model: str) -> None:
    server = serve(echo)

    with pytest.raises(EndpointRefusedError, match=r"Ollama's servers"):
        client(server, model=model)

    assert not server.asked


@pytest.mark.parametrize("mark", [{"remote_host": "https://ollama.example"}, {"remote_model": "big:120b"}])
@pytest.mark.parametrize("named", ["tiny", "tiny:latest"])
def test_a_model_that_ollama_runs_elsewhere_by_its_list_is_refused(
    serve: Serve, mark: dict[str, str], named: str
) -> None:
    server = serve(echo)
    server.tags = [{"name": "other", "model": "other"}, {"name": named, "model": named, **mark}]

    with pytest.raises(EndpointRefusedError, match=r"Ollama's servers"):
        client(server).generate([ask()], max_new_tokens=5)

    assert not server.completions


def test_a_model_that_ollama_runs_here_is_used(serve: Serve) -> None:
    server = serve(echo)
    server.tags = [{"name": "tiny", "model": "tiny"}, {"name": "big", "model": "big", "remote_host": "https://x"}]

    assert client(server).generate([ask("a")], max_new_tokens=5)


def test_where_the_model_runs_must_be_known(serve: Serve) -> None:
    server = serve(echo)
    real = server._handle

    def handle(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/api/tags":
            send(handler, b"", status=500)
        else:
            real(handler)

    server._handle = handle  # type: ignore[method-assign]

    with pytest.raises(ModelServerError, match="HTTP 500"):
        client(server).generate([ask()], max_new_tokens=5)
    assert not server.completions


def test_a_model_known_by_its_file_is_named_without_the_path(serve: Serve) -> None:
    server = serve(echo)

    assert client(server, model="/home/someone/models/m.gguf").name == f"m.gguf@127.0.0.1:{server.port}"
    assert client(server, model="C:\\models\\m.gguf").name == f"m.gguf@127.0.0.1:{server.port}"
    assert client(server, model="Qwen/Qwen3-4B").name == f"Qwen/Qwen3-4B@127.0.0.1:{server.port}"
