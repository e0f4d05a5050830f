"""A real server on loopback over a tiny random model, and requests that no front end would send."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from openai import OpenAI
from starlette.routing import BaseRoute

from client.assistant.assistant import Assistant
from client.serve.app import build_app, listen, make_server
from client.serve.guard import RequestLimits
from client.serve.running import ReplyRunner
from tests.client.assistant.assistants import Home

TOKEN = "t" * 43


@dataclass(frozen=True)
class Served:
    """A running server.

    Attributes:
        port: of 127.0.0.1.
        client: the official one, which tries once.
    """

    home: Home
    assistant: Assistant
    port: int
    client: OpenAI

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """(status, headers by lower-case name, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
            connection.request(method, path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def complete(self, **fields: object) -> tuple[int, dict[str, object]]:
        """Status and JSON of a completion."""
        asked = {"model": "tacit-private", "messages": [{"role": "user", "content": "How does bread rise?"}]}
        body = json.dumps({"temperature": 0, "max_tokens": 8, **asked, **fields}).encode()
        status, _, answer = self.ask("POST", "/v1/chat/completions", body)
        return status, json.loads(answer)

    def slow_down(self, seconds: float) -> list[float]:
        """Every pass of the model takes so much longer; when they began."""
        passes: list[float] = []

        def wait(*_: object) -> None:
            passes.append(time.monotonic())
            time.sleep(seconds)

        self.assistant._plain.model.register_forward_pre_hook(wait)
        return passes


@contextmanager
def serving(
    home: Home,
    *,
    waiting: int = 4,
    limits: RequestLimits | None = None,
    extra_routes: Sequence[BaseRoute] = (),
) -> Iterator[Served]:
    """Serves until the block ends; then the server has stopped by itself, within seconds."""
    place = listen(0)
    host, port = place.getsockname()[:2]
    assistant = home.assistant()
    app = build_app(
        assistant,
        home.vault,
        token=TOKEN,
        address=(host, port),
        runner=ReplyRunner(waiting=waiting),
        limits=limits,
        extra_routes=extra_routes,
    )
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN, max_retries=0, timeout=20) as client:
            yield Served(home=home, assistant=assistant, port=port, client=client)
    finally:
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
        place.close()
