"""What is said to the API, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

from openai.types.chat import ChatCompletionMessageParam

from shared.conversation import Message
from tests.client.assistant.assistants import REQUEST, Home
from tests.client.serve.served import Served

MARKER = "zebra-spoken-4c1d"


BREAD: ChatCompletionMessageParam = {"role": "user", "content": REQUEST[0].content}


def answer_to(served: Served, messages: list[ChatCompletionMessageParam], **more: Any) -> str:
    settings = {"model": "tacit", "temperature": 0, "max_tokens": 16, **more}
    text = served.client.chat.completions.create(messages=messages, **settings).choices[0].message.content
    assert isinstance(text, str)
    return text


def kept_of(home: Home) -> list[tuple[Message, ...]]:
    return [one.messages for one in home.vault.conversations]


def fail_with_marker(*_: object) -> None:
    raise RuntimeError(MARKER)


def raw(served: Served, body: bytes | None = None, **fields: object) -> tuple[int, str]:
    sent = body or json.dumps({"model": "tacit", **fields}).encode()
    status, _, answer = served.ask("POST", "/v1/chat/completions", sent)
    return status, answer.decode()
