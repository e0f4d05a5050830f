"""Asking the page's API as the page does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import httpx

from tests.client.serve.browser import TOKEN, Served


@contextmanager
def asking(at: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=at.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        yield client


def get(at: Served, path: str, **query: str | int) -> dict[str, object]:
    with asking(at) as client:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return cast(dict[str, object], answer.json())


def post(at: Served, path: str, status: int = 200, **fields: object) -> dict[str, object]:
    with asking(at) as client:
        answer = client.post(path, json=fields)
        assert answer.status_code == status, answer.text
        return cast(dict[str, object], answer.json())


def chat(at: Served, path: str = "/api/chat", **fields: object) -> list[dict[str, object]]:
    with asking(at) as client:
        answer = client.post(path, json=fields)
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
        return [json.loads(event.removeprefix("data: ")) for event in answer.text.split("\n\n") if event]


def text_of(events: list[dict[str, object]]) -> str:
    return "".join(str(event["text"]) for event in events if event["type"] == "delta")


def said(at: Served, status: int, path: str, **fields: object) -> str:
    return str(cast(dict[str, dict[str, object]], post(at, path, status, **fields))["error"]["message"])
