from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.endpoint_policy import EndpointPolicy, EndpointRefusedError
from client.model_connection import ServerLimits
from client.model_server import ModelServer, ModelServerError
from client.policy_entry import PolicyEntry
from client.server_url import parse_server_url
from shared.conversation import Message
from shared.generation import GeneratedReply, ReplyGenerator, TextGenerator

PROMPT, REPLY = "ZEBRA-question", "OKAPI-answer"
FAST = ServerLimits(retry_seconds=0.01, reply_seconds=5.0)


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    values: dict[str, object]

    @property
    def prompt(self) -> str:
        messages = self.values["messages"]
        assert isinstance(messages, list)
        return str(messages[-1]["content"])

    @property
    def n(self) -> int:
        n = self.values.get("n", 1)
        assert isinstance(n, int)
        return n


Script = Callable[[BaseHTTPRequestHandler, Asked], None]


class ScriptedServer:
    """A real HTTP server on loopback; `script` answers chat completions, the rest is what such servers do."""

    def __init__(self, script: Script, *, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.connections = 0
        self.closed = 0
        self.models: object = [{"id": "tiny"}]
        self.tags: object = None
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def finish(self) -> None:
                super().finish()
                outer.closed += 1

            def do_GET(self) -> None:
                outer._handle(self)

            def do_POST(self) -> None:
                outer._handle(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            address_family = family
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # the client hangs up on purpose

        self.server = Server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def completions(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == "/v1/chat/completions"]

    def stop(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(
            method=handler.command, path=handler.path, headers=headers, values=json.loads(body) if body else {}
        )
        self.asked.append(asked)
        if handler.path == "/v1/models":
            send_json(handler, {"object": "list", "data": self.models})
        elif handler.path == "/api/tags":
            send_json(handler, {"models": self.tags}) if self.tags is not None else send_json(handler, {}, status=404)
        else:
            self.script(handler, asked)


def send(
    handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def send_json(handler: BaseHTTPRequestHandler, value: object, *, status: int = 200) -> None:
    send(handler, json.dumps(value).encode(), status=status)


def completion(*texts: str, reason: object = "stop") -> dict[str, object]:
    message = [{"message": {"role": "assistant", "content": text}, "finish_reason": reason} for text in texts]
    return {"object": "chat.completion", "choices": message}


def echo(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
    """A server that honours `n`: each reply says prompt, place and seed."""
    texts = [f"{asked.prompt}/{place}/{asked.values['seed']}" for place in range(asked.n)]
    send_json(handler, completion(*texts))


def raw(content: bytes) -> Script:
    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return script


def answer(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Script:
    return lambda handler, asked: send(handler, body, status=status, headers=headers)


def value(content: object, *, status: int = 200) -> Script:
    return answer(json.dumps(content).encode(), status=status)


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    with ExitStack() as stack:

        def start(script: Script, **options: socket.AddressFamily) -> ScriptedServer:
            server = ScriptedServer(script, **options)
            stack.callback(server.stop)
            return server

        yield start


Serve = Callable[..., ScriptedServer]


def client(server: ScriptedServer, *, limits: ServerLimits = FAST, model: str = "tiny") -> ModelServer:
    return ModelServer(EndpointPolicy().resolve(server.url, "judge"), model=model, limits=limits)


def ask(text: str = PROMPT) -> list[Message]:
    return [Message(role="system", content="Be brief."), Message(role="user", content=text)]


def test_it_is_a_reply_generator(serve: Serve) -> None:
    server = serve(value(completion(REPLY)))
    generator: ReplyGenerator = client(server)

    assert generator.generate_replies([ask()], max_new_tokens=7) == [[GeneratedReply(text=REPLY, finished=True)]]
    assert generator.name == f"tiny@127.0.0.1:{server.port}"


def test_it_is_a_text_generator(serve: Serve) -> None:
    server = serve(value(completion(REPLY)))
    generator: TextGenerator = client(server)

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


def test_whether_a_reply_was_cut_is_told(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    reasons: dict[str, object] = {"a": "stop", "b": "length", "c": "content_filter", "d": None}
    server = serve(lambda handler, asked: send_json(handler, completion(REPLY, reason=reasons[asked.prompt])))
    model = client(server)

    replies = model.generate_replies([ask(name) for name in reasons], max_new_tokens=5)

    assert [reply for (reply,) in replies] == [GeneratedReply(text=REPLY, finished=name == "a") for name in reasons]
    assert REPLY not in repr(replies)
    assert model.generate([ask("b"), ask("a")], max_new_tokens=5) == [[REPLY], [REPLY]]
    assert "1 of 2 replies" in caplog.text
    assert REPLY not in caplog.text


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


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process cannot send itself Ctrl-C alone")
def test_ctrl_c_ends_a_call_at_once(serve: Serve) -> None:
    server = serve(echo)

    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        server.released.wait(20)

    server.script = script
    # A shell's background job is born deaf to Ctrl-C, and so would the test be.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            client(server, limits=ServerLimits(reply_seconds=15.0)).generate([ask()], max_new_tokens=5)
    finally:
        signal.signal(signal.SIGINT, before)

    assert time.monotonic() - began < 3


def _hang(server: ScriptedServer, handler: BaseHTTPRequestHandler, before: bytes, drip: bytes) -> None:
    handler.wfile.write(before)
    while drip and not server.released.wait(0.05):
        handler.wfile.write(drip)
    server.released.wait(20)


@pytest.mark.parametrize(
    ("before", "drip"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    ],
    ids=["says nothing", "stops in the head", "drips a header", "drips 100s", "stops in the body", "drips the body"],
)
def test_a_server_that_hangs_or_drips_is_left_in_time(serve: Serve, before: bytes, drip: bytes) -> None:
    server = serve(echo)
    server.script = lambda handler, asked: _hang(server, handler, before, drip)
    began = time.monotonic()

    with pytest.raises(ModelServerError, match=r"no whole answer within 0\.4 seconds"):
        client(server, limits=ServerLimits(reply_seconds=0.4)).generate([ask()], max_new_tokens=5)

    assert 0.3 < time.monotonic() - began < 3
    assert len(server.completions) == 1, "a slow server is not asked again"


def test_a_server_that_is_slow_but_in_time_is_waited_for(serve: Serve) -> None:
    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(0.5)
        echo(handler, asked)

    assert client(serve(script)).generate([ask("a")], max_new_tokens=5)[0][0].startswith("a/")


@pytest.mark.parametrize(
    "failing", [b"", b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 429 x\r\nRetry-After: 0\r\n\r\n"]
)
def test_what_may_pass_is_tried_again_a_few_times(serve: Serve, failing: bytes) -> None:
    server = serve(echo)
    server.script = lambda handler, asked: (
        raw(failing)(handler, asked) if len(server.completions) < 3 else echo(handler, asked)
    )

    assert client(server).generate([ask("a")], max_new_tokens=5)[0][0].startswith("a/")
    assert len(server.completions) == 3


@pytest.mark.parametrize(("status", "times"), [(503, 3), (429, 3), (500, 1), (400, 1), (404, 1)])
def test_how_often_a_failing_server_is_asked(serve: Serve, status: int, times: int) -> None:
    server = serve(value({}, status=status))

    with pytest.raises(ModelServerError, match=f"HTTP {status}") as caught:
        client(server).generate([ask()], max_new_tokens=5)

    assert len(server.completions) == times
    assert caught.value.status == status


def test_the_wait_that_a_server_asks_for_is_kept_up_to_a_bound(serve: Serve) -> None:
    server = serve(echo)
    server.script = lambda handler, asked: (
        send(handler, b"", status=429, headers={"Retry-After": "1"})
        if len(server.completions) < 2
        else echo(handler, asked)
    )
    began = time.monotonic()
    client(server).generate([ask()], max_new_tokens=5)
    assert time.monotonic() - began >= 1

    server.script = answer(b"", status=429, headers={"Retry-After": "3600"})
    began = time.monotonic()
    with pytest.raises(ModelServerError, match="busy"):
        client(server).generate([ask()], max_new_tokens=5)
    assert time.monotonic() - began < 1


def test_a_server_that_is_not_there(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        endpoint = EndpointPolicy().resolve(f"http://127.0.0.1:{port}/v1", "rewrite")

        with pytest.raises(ModelServerError, match=rf"nothing answers at 127\.0\.0\.1:{port}; start it .*ollama serve"):
            ModelServer(endpoint, model="tiny", limits=FAST).generate([ask()], max_new_tokens=5)


def test_connections_that_the_server_closed_meanwhile_are_opened_again(serve: Serve) -> None:
    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        echo(handler, asked)
        handler.close_connection = True  # without saying so

    server = serve(script)
    model = client(server)

    for number in range(5):
        assert model.generate([ask(str(number))], max_new_tokens=5)[0][0].startswith(f"{number}/")


@pytest.mark.parametrize("how", ["closed", "let go of"])
def test_no_connection_outlives_the_client(serve: Serve, how: str) -> None:
    server = serve(echo)
    model = client(server)
    model.generate([ask(str(number)) for number in range(4)], max_new_tokens=5)
    assert server.closed < server.connections, "they are kept while the client is"

    if how == "closed":
        with model:
            pass
    else:
        del model
        gc.collect()

    until = time.monotonic() + 5
    while server.closed < server.connections and time.monotonic() < until:
        time.sleep(0.01)
    assert server.closed == server.connections


def test_redirects_are_not_followed(serve: Serve) -> None:
    elsewhere = serve(echo)
    for status in (301, 302, 303, 307, 308):
        there = {"Location": elsewhere.url + "/chat/completions"}
        server = serve(answer(b"", status=status, headers=there))
        with pytest.raises(ModelServerError, match=f"redirect .HTTP {status}"):
            client(server).generate([ask()], max_new_tokens=5)

    assert elsewhere.connections == 0


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(echo)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = serve(value(completion(REPLY)))

    assert client(server).generate([ask()], max_new_tokens=5) == [[REPLY]]
    assert proxy.connections == 0


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(answer(_WHOLE, headers={"Set-Cookie": "user=42; Path=/"}))

    client(server).generate([ask(), ask(), ask()], max_new_tokens=5, batch_size=1)

    assert not [asked for asked in server.asked if "cookie" in asked.headers]


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


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(value(completion(REPLY)))
    lookups: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        if host != "model.example":
            assert host == "127.0.0.1", "only the checked address is looked up again, as a number"
            return real(host, *rest, **more)  # type: ignore[arg-type]
        lookups.append(host)
        address = "127.0.0.1" if len(lookups) == 1 else "192.0.2.1"  # rebinding
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    endpoint = EndpointPolicy().resolve(f"http://model.example:{server.port}/v1", "judge")
    model = ModelServer(endpoint, model="tiny", limits=FAST)

    for _ in range(2):
        assert model.generate([ask()], max_new_tokens=5) == [[REPLY]]
        model.close()  # the next call connects anew
    assert lookups == ["model.example"]
    assert server.completions[0].headers["host"] == f"model.example:{server.port}"


def test_the_ipv6_loopback_is_reached(serve: Serve) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        server = serve(value(completion(REPLY)), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    bracketed = EndpointPolicy().resolve(f"http://[::1]:{server.port}/v1", "judge")

    assert ModelServer(bracketed, model="tiny", limits=FAST).generate([ask()], max_new_tokens=5) == [[REPLY]]
    assert server.completions[0].headers["host"] == f"[::1]:{server.port}"


def test_the_second_address_is_tried_where_the_first_refuses(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(value(completion(REPLY)))
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        if host != "localhost":
            return real(host, *rest, **more)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.99.0.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    endpoint = EndpointPolicy().resolve(f"http://localhost:{server.port}/v1", "judge")

    assert endpoint.addresses == ("127.99.0.1", "127.0.0.1")
    assert ModelServer(endpoint, model="tiny", limits=FAST).generate([ask()], max_new_tokens=5) == [[REPLY]]


def _certificate(directory: Path, *, host: str) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate_file.chmod(0o600)
    return certificate_file, key_file


def _serve_tls(serve: Serve, directory: Path, *, host: str) -> tuple[ScriptedServer, Path]:
    certificate_file, key_file = _certificate(directory, host=host)
    server = serve(value(completion(REPLY)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    return server, certificate_file


def _lab(monkeypatch: pytest.MonkeyPatch, port: int, *, ca_file: Path | None, key: str | None = None) -> ModelServer:
    """A client of `https://gpu.lab.example`, which the policy names and which is this machine here."""
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        if host != "gpu.lab.example":
            return real(host, *rest, **more)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    entry = PolicyEntry(
        name="lab-gpu",
        url=parse_server_url(f"https://gpu.lab.example:{port}/v1"),
        purposes=frozenset({"judge"}),
        ca_file=ca_file,
        api_key_variable=key,
        consents=True,
    )
    return ModelServer(EndpointPolicy(entries=(entry,)).resolve("lab-gpu", "judge"), model="tiny", limits=FAST)


def test_a_server_that_the_policy_names_is_verified_by_its_own_authority(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server, ca_file = _serve_tls(serve, tmp_path, host="gpu.lab.example")
    monkeypatch.setenv("LAB_KEY", "sk-very-secret")

    with caplog.at_level(logging.DEBUG):
        model = _lab(monkeypatch, server.port, ca_file=ca_file, key="LAB_KEY")
        assert model.generate([ask()], max_new_tokens=5) == [[REPLY]]

    (asked,) = server.completions
    assert asked.headers["authorization"] == "Bearer sk-very-secret"
    assert asked.headers["host"] == f"gpu.lab.example:{server.port}"
    assert model.name == "tiny@lab-gpu"
    assert "sk-very-secret" not in repr(model) + caplog.text
    assert not [asked for asked in server.asked if asked.path == "/api/tags"], "where it runs is the user's decision"


@pytest.mark.parametrize("fault", ["another host's certificate", "an authority nobody named", "the environment's own"])
def test_a_server_that_cannot_be_verified_gets_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    host = "other.lab.example" if fault.startswith("another") else "gpu.lab.example"
    server, ca_file = _serve_tls(serve, tmp_path, host=host)
    if fault == "the environment's own":
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    model = _lab(monkeypatch, server.port, ca_file=ca_file if fault.startswith("another") else None)

    with pytest.raises(ModelServerError, match=r"certificate is not trusted"):
        model.generate([ask()], max_new_tokens=5)

    assert not server.asked


def test_https_to_a_plain_http_server_says_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _lab(monkeypatch, serve(echo).port, ca_file=None)

    with pytest.raises(ModelServerError, match="is it an http server"):
        model.check()


def test_a_missing_key_is_said_before_anything_is_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for held in (None, "", "two words", "line\nend"):
        monkeypatch.delenv("LAB_KEY", raising=False)
        if held is not None:
            monkeypatch.setenv("LAB_KEY", held)
        with pytest.raises(EndpointRefusedError, match="environment variable LAB_KEY"):
            _lab(monkeypatch, 1, ca_file=None, key="LAB_KEY")
