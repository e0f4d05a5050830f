"""A real HTTP server on loopback that answers as a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client.endpoint_policy import EndpointPolicy
from client.model_connection import ServerLimits
from client.model_server import ModelServer
from shared.conversation import Message

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
