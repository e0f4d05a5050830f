"""`/v1`: the part of OpenAI's API that chat front ends need, so that any of them can be one of this assistant.

| model | answers with | the conversation |
|---|---|---|
| `tacit` | persona and adapters | is kept in the vault, as the user's own chat |
| `tacit-private` | persona and adapters | is not kept |
| `tacit-base` | the base model as it came | is not kept |

Only whole replies are kept, cut ones among them, and none that its reader went away from. Where the vault does not
take one, or it goes on from a conversation that was forgotten, the reader has it all the same: the answer's header
`X-Tacit-Kept` says "no", and a stream says it in a comment.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from client.assistant.assistant import Assistant, NotARequestError, ReplyStream
from client.assistant.keeping import keep_reply
from client.serve.api_errors import ApiError, error_body
from client.serve.chat_request import ChatRequest
from client.serve.leaving import until_left
from client.serve.running import ReplyFailedError, ReplyRunner, RunningReply
from client.vault.errors import VaultError
from client.vault.vault import Vault
from shared.chat_format import ChatTemplateError

_LOG = logging.getLogger(__name__)
_Made = TypeVar("_Made")
_OWNER = "tacit"
_FAILED = error_body("the reply failed", kind="server_error", code="reply_failed")


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """Attributes:
    tuned, persona: what it answers with.
    keeps: whether its conversations are kept.
    """

    name: str
    tuned: bool
    persona: bool
    keeps: bool


MODELS = (
    ServedModel(name="tacit", tuned=True, persona=True, keeps=True),
    ServedModel(name="tacit-private", tuned=True, persona=True, keeps=False),
    ServedModel(name="tacit-base", tuned=False, persona=False, keeps=False),
)


def routes(assistant: Assistant, vault: Vault, runner: ReplyRunner) -> list[BaseRoute]:
    """The API's routes."""
    began = int(time.time())

    def described(model: ServedModel) -> dict[str, object]:
        return {"id": model.name, "object": "model", "created": began, "owned_by": _OWNER}

    async def models(_request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [described(model) for model in MODELS]})

    async def model(request: Request) -> Response:
        return JSONResponse(described(_model(request.path_params["name"])))

    async def completions(request: Request) -> Response:
        asked = ChatRequest.parse(await request.body())
        served = _model(asked.model)
        keeping = _Keeping(vault, asked) if served.keeps else None

        def begin() -> ReplyStream:
            return assistant.stream(asked.messages, asked.settings, tuned=served.tuned, persona=served.persona)

        try:
            running = await runner.start(begin, _nothing if keeping is None else keeping.keep)
        except (ChatTemplateError, NotARequestError) as error:
            raise ApiError(str(error), param="messages") from None
        completion = _Completion(model=served.name, running=running, keeping=keeping)
        if asked.streams:
            return _EventStream(completion.events(includes_usage=asked.includes_usage), running.close)
        return await _whole(completion, request)

    return [
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/models/{name}", model, methods=["GET"]),
        Route("/v1/chat/completions", completions, methods=["POST"]),
    ]


class _Keeping:
    """Keeps a reply, and knows whether it is kept."""

    def __init__(self, vault: Vault, asked: ChatRequest) -> None:
        self._vault, self._asked = vault, asked
        self.failed = False

    def keep(self, reply: str) -> None:
        """In the thread that wrote it."""
        if not reply:
            return
        try:
            self.failed = keep_reply(self._vault, self._asked.messages, reply) is None
        except VaultError as error:
            self.failed = True
            _LOG.warning("a reply was not kept (%s)", type(error).__name__)


class _Completion:
    """One completion in OpenAI's words."""

    def __init__(self, *, model: str, running: RunningReply, keeping: _Keeping | None) -> None:
        self.running = running
        self._keeping = keeping
        self._model = model
        self._id, self._created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())

    @property
    def is_lost(self) -> bool:
        """Whether it should have been kept and was not."""
        return self._keeping is not None and self._keeping.failed

    def whole(self, text: str) -> dict[str, object]:
        """The answer that is not streamed."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason(), "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    async def events(self, *, includes_usage: bool) -> AsyncIterator[bytes]:
        """The answer's events."""
        usage: dict[str, object] = {"usage": None} if includes_usage else {}
        yield _event(self._chunk({"role": "assistant", "content": ""}) | usage)
        try:
            async for piece in self.running:
                yield _event(self._chunk({"content": piece}) | usage)
        except ReplyFailedError:
            yield _event(_FAILED)
            return
        if not self.running.reply.is_whole:
            yield _event(_FAILED)  # the server is stopping
            return
        yield _event(self._chunk({}, self._finish_reason()) | usage)
        if includes_usage:
            yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage()})
        if self.is_lost:
            yield b": this reply was not kept\n\n"
        yield b"data: [DONE]\n\n"

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}

    def _chunk(self, delta: dict[str, object], finish_reason: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _finish_reason(self) -> str:
        return "stop" if self.running.reply.finished else "length"

    def _usage(self) -> dict[str, object]:
        reply = self.running.reply
        return {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        }


class _EventStream(Response):
    """Server-sent events as they come, until the reader goes away."""

    def __init__(self, events: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._close = events, close

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async def write() -> None:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for event in self._events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await until_left(write(), receive)
        finally:
            self._close()


async def _whole(completion: _Completion, request: Request) -> Response:
    async def read() -> str:
        return "".join([piece async for piece in completion.running])

    try:
        text = await until_left(read(), request.receive)
    except ReplyFailedError:
        return JSONResponse(_FAILED, status_code=500)
    finally:
        completion.running.close()
    if text is None or not completion.running.reply.is_whole:
        return JSONResponse(_FAILED, status_code=500)  # nobody reads it, or the server is stopping
    headers = {"X-Tacit-Kept": "no"} if completion.is_lost else {}
    return JSONResponse(completion.whole(text), headers=headers)


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n\n"


def _model(name: str) -> ServedModel:
    for model in MODELS:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in MODELS)
    raise ApiError(f"there is no such model: there are {known}", status=404, param="model", code="model_not_found")


def _nothing(_reply: str) -> None:
    return
