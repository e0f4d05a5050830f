"""`/api/chat` and `/api/again`: a reply as it is written, into a conversation that is kept once the reply is complete.

The answer is a stream of server-sent events, each a JSON object: `{"type": "delta", "text"}` as often as there is
something new, then `{"type": "done", "conversation"}` or `{"type": "error", "error"}`. Whoever closes the connection
before the reply is complete stops it, and nothing of it is kept. A private chat is never kept: what was said in it
before comes with every request.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from client.assistant.assistant import CHAT_TEMPERATURE, ReplySettings
from client.assistant.keeping import new_chat_id
from client.importers.imported import Branch
from client.serve.api_conversations import heading
from client.serve.api_errors import ApiError, error_body
from client.serve.api_requests import (
    Answer,
    answering,
    body_of,
    explained,
    messages_of,
    optional_text,
    switch_of,
    text_of,
)
from client.serve.chat_request import DEFAULT_MAX_TOKENS
from client.serve.leaving import until_left
from client.serve.page_services import PageServices
from client.serve.running import ReplyFailedError, RunningReply
from shared.conversation import Conversation, Message

Keep = Callable[[str], Answer | None]
"""Given the complete reply: what is shown of the conversation that it was kept in; None where none is."""


def chat_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""

    async def chat(request: Request) -> Response:
        values = await body_of(request, ("conversation", "message", "private", "before"))
        said = text_of(values, "message")
        if "private" in values and switch_of(values, "private"):
            messages = (*messages_of({"before": [], **values}, "before"), Message(role="user", content=said))
            return await _streamed(services, messages, lambda _reply: None)
        name = optional_text(values, "conversation")
        messages = await run_in_threadpool(asked, services, name, said)
        return await _streamed(services, messages, lambda reply: keep(services, name, messages, reply))

    async def again(request: Request) -> Response:
        name = text_of(await body_of(request, ("conversation",)), "conversation")
        messages = await run_in_threadpool(_without_last_reply, services, name)
        return await _streamed(services, messages, lambda reply: _keep_again(services, name, messages, reply))

    return [answering("/api/chat", chat), answering("/api/again", again)]


def settings_of_a_reply() -> ReplySettings:
    """As chats are written: drawn anew each time."""
    return ReplySettings(max_new_tokens=DEFAULT_MAX_TOKENS, temperature=CHAT_TEMPERATURE, seed=secrets.randbits(63))


def asked(services: PageServices, conversation_id: str | None, said: str) -> tuple[Message, ...]:
    """What is to be answered: a conversation so far, and what its user says now. Raises: UnknownError."""
    before = () if conversation_id is None else services.vault.conversations.get(conversation_id).messages
    return (*before, Message(role="user", content=said))


def keep(services: PageServices, conversation_id: str | None, messages: tuple[Message, ...], reply: str) -> Answer:
    """Keeps a request and its reply, in a conversation of their own where there is none yet.

    Args:
        messages: the conversation before, and the request.

    Raises:
        UnknownError: the conversation was forgotten meanwhile.
        ApiError: it went on elsewhere meanwhile.
    """
    conversations = services.vault.conversations
    new = (messages[-1], Message(role="assistant", content=reply))
    with conversations.together():
        if conversation_id is None:
            conversation_id = new_chat_id()
            conversations.put(
                Conversation(conversation_id=conversation_id, messages=new, started=datetime.now(UTC)), source="chats"
            )
        else:
            _check_unchanged(services, conversation_id, messages[:-1])
            conversations.append(conversation_id, new)
        return heading(services, conversations.facts(conversation_id))


def _check_unchanged(services: PageServices, conversation_id: str, messages: tuple[Message, ...]) -> Conversation:
    found = services.vault.conversations.get(conversation_id)
    if found.messages != messages:
        raise ApiError("This conversation went on in another window meanwhile. Open it again.", status=409)
    return found


def _without_last_reply(services: PageServices, conversation_id: str) -> tuple[Message, ...]:
    said = services.vault.conversations.get(conversation_id).messages
    if len(said) < 2 or said[-1].role != "assistant" or said[-2].role != "user":
        raise ApiError("There is no reply here that could be given again.", status=409)
    return said[:-1]


def _keep_again(services: PageServices, conversation_id: str, messages: tuple[Message, ...], reply: str) -> Answer:
    """The new reply takes the old one's place; that it was asked for stays as a choice between the two."""
    conversations, choices = services.vault.conversations, services.vault.choices
    with conversations.together():
        old, new = conversations.get(conversation_id).messages[-1], Message(role="assistant", content=reply)
        found = _check_unchanged(services, conversation_id, (*messages, old))
        facts = conversations.facts(conversation_id)
        if old != new:
            conversations.put(
                Conversation(
                    conversation_id=conversation_id, messages=(*found.messages[:-1], new), started=found.started
                ),
                source=facts.source,
                format_name=facts.format,
                digest=facts.digest,
            )
            known = [
                Branch(at=len(one.choice.prompt), kept=len(one.choice.kept), left=one.choice.left, kind=one.choice.kind)
                for one in choices.of(conversation_id)
            ]
            left = Branch(at=len(messages), kept=1, left=(old,), kind="regenerated")
            choices.put(conversation_id, [*known, left])
        return heading(services, facts)


async def _streamed(services: PageServices, messages: tuple[Message, ...], kept: Keep) -> Response:
    ending: list[Answer] = []

    def when_whole(reply: str) -> None:
        # In the thread that wrote it. What goes wrong is told here: the runner tells nobody why.
        try:
            if not reply:
                raise ApiError("The model had nothing to say, so nothing was kept. Try other words.", status=500)
            ending.append({"type": "done", "conversation": kept(reply)})
        except Exception as error:  # noqa: BLE001, RUF100
            ending.append({"type": "error", **explained(error)[1]})

    running = await services.runner.start(
        lambda: services.assistant.stream(messages, settings_of_a_reply()), when_whole
    )
    return _Events(running, ending)


class _Events(Response):
    """A reply's events as they come, until the reader goes away."""

    def __init__(self, running: RunningReply, ending: list[Answer]) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self._running, self._ending = running, ending

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await until_left(self._write(send), receive)
        finally:
            self._running.close()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for event in self._events():
            body = b"data: " + json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncIterator[Answer]:
        try:
            async for piece in self._running:
                yield {"type": "delta", "text": piece}
        except ReplyFailedError:
            self._ending.clear()
        yield (
            self._ending[0]
            if self._ending
            else {
                "type": "error",
                **error_body("The reply could not be written to its end, so nothing of it was kept."),
            }
        )
