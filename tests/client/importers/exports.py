"""Exports as other assistants write them, made by hand. `MARKER` stands in every text: it must appear in no error."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.conversation import Message

MARKER = "zzPRIVATEzz"

JSON = dict[str, object]


def say(text: str) -> str:
    return f"{text} {MARKER}"


def node(
    name: str,
    parent: str | None,
    children: Sequence[str] = (),
    *,
    role: str = "user",
    text: str | None = None,
    time: float | None = None,
    content: JSON | None = None,
    metadata: Mapping[str, object] | None = None,
    recipient: str = "all",
) -> JSON:
    """A node of ChatGPT's `mapping`; without text and content, one without a message."""
    message: JSON | None = None
    if text is not None or content is not None:
        message = {
            "id": name,
            "author": {"role": role, "name": None, "metadata": {}},
            "create_time": time,
            "update_time": None,
            "content": content or {"content_type": "text", "parts": [say(text or "")]},
            "status": "finished_successfully",
            "end_turn": True,
            "weight": 1.0,
            "metadata": dict(metadata or {}),
            "recipient": recipient,
        }
    return {"id": name, "message": message, "parent": parent, "children": list(children)}


def chatgpt(nodes: Sequence[JSON], *, current: str | None, name: str = "c1", time: object = 1700000000.25) -> JSON:
    """A conversation of ChatGPT's export."""
    return {
        "title": say("Bread"),
        "create_time": time,
        "update_time": 1700000500.0,
        "mapping": {str(one["id"]): one for one in nodes},
        "moderation_results": [],
        "current_node": current,
        "plugin_ids": None,
        "conversation_id": name,
        "conversation_template_id": None,
        "id": name,
    }


def plain_chatgpt(name: str = "c1", turns: int = 2, words: str = "words") -> JSON:
    """A line of messages without branches, below the root and the hidden system message that exports begin with."""
    nodes = [
        node("root", None, ["sys"]),
        node(
            "sys", "root", ["m0"], role="system", text="",
            metadata={"is_visually_hidden_from_conversation": True},
        ),
    ]  # fmt: skip
    nodes += [
        node(
            f"m{place}", f"m{place - 1}" if place else "sys", [f"m{place + 1}"] if place + 1 < turns else [],
            role="assistant" if place % 2 else "user", text=f"{words} {place}", time=1700000000.0 + place,
        )
        for place in range(turns)
    ]  # fmt: skip
    return chatgpt(nodes, current=f"m{turns - 1}", name=name)


def branching_chatgpt(name: str = "tree") -> JSON:
    """The first message edited once, the reply to the edited one regenerated twice, and the user went on from the last.

    root - q1 - a1
         `- q2 - b1
               |- b2
               `- b3 - q3 - c1
    """
    return chatgpt(
        [
            node("root", None, ["q1", "q2"]),
            node("q1", "root", ["a1"], text="first wording", time=10),
            node("a1", "q1", role="assistant", text="reply to the first", time=11),
            node("q2", "root", ["b1", "b2", "b3"], text="second wording", time=20),
            node("b1", "q2", role="assistant", text="reply one", time=21),
            node("b2", "q2", role="assistant", text="reply two", time=22),
            node("b3", "q2", ["q3"], role="assistant", text="reply three", time=23),
            node("q3", "b3", ["c1"], text="thanks, and now", time=30),
            node("c1", "q3", role="assistant", text="well", time=31),
        ],
        current="c1",
        name=name,
    )


def claude(name: str = "u1", turns: int = 2) -> JSON:
    return {
        "uuid": name,
        "name": say("Bread"),
        "created_at": "2026-03-01T08:30:00.123456Z",
        "updated_at": "2026-03-01T08:40:00.123456Z",
        "account": {"uuid": "a"},
        "chat_messages": [
            {
                "uuid": f"{name}-{place}",
                "text": say(f"words {place}"),
                "content": [{"type": "text", "text": say(f"words {place}"), "citations": []}],
                "sender": "assistant" if place % 2 else "human",
                "created_at": f"2026-03-01T08:3{place % 10}:00Z",
                "attachments": [],
                "files": [],
            }
            for place in range(turns)
        ],
    }


def sharegpt(name: str | None = "s1_0") -> JSON:
    row: JSON = {
        "conversations": [
            {"from": "system", "value": say("be brief")},
            {"from": "human", "value": say("how")},
            {"from": "gpt", "value": say("so")},
        ]
    }
    return row if name is None else {"id": name, **row}


def wildchat(name: str = "a" * 32) -> JSON:
    return {
        "conversation_hash": name,
        "model": "gpt-4",
        "timestamp": "2023-04-09T00:10:00",
        "conversation": [
            {"role": "user", "content": say("how"), "timestamp": None, "turn_identifier": 1, "toxic": False},
            {"role": "assistant", "content": say("so"), "timestamp": "2023-04-09T00:02:53", "turn_identifier": 1},
        ],
        "turn": 1,
        "language": "English",
    }


def lmsys(name: str = "b" * 32) -> JSON:
    return {
        "conversation_id": name,
        "model": "vicuna-13b",
        "conversation": [{"role": "user", "content": say("how")}, {"role": "assistant", "content": say("so")}],
        "turn": 1,
        "language": "English",
    }


def webui_node(name: str, parent: str | None, children: Sequence[str], role: str, text: str, time: int) -> JSON:
    made: JSON = {
        "id": name, "parentId": parent, "childrenIds": list(children), "role": role, "content": say(text),
        "timestamp": time,
    }  # fmt: skip
    return {**made, "modelIdx": 0} if role == "assistant" else made


def open_webui(name: str = "w1") -> JSON:
    nodes = [
        webui_node("q", None, ["a", "b"], "user", "how", 1700000000),
        webui_node("a", "q", [], "assistant", "first", 1700000001),
        webui_node("b", "q", ["r"], "assistant", "second", 1700000002),
        webui_node("r", "b", ["s"], "user", "thanks", 1700000003),
        webui_node("s", "r", [], "assistant", "well", 1700000004),
    ]
    return {
        "id": name,
        "user_id": "me",
        "title": say("Bread"),
        "chat": {
            "id": "",
            "title": say("Bread"),
            "models": ["llama3"],
            "history": {"messages": {str(one["id"]): one for one in nodes}, "currentId": "s"},
            "messages": [],
            "timestamp": 1700000000000,
        },
        "created_at": 1700000000,
        "updated_at": 1700000009,
    }


def messages_row(name: str | None = None) -> JSON:
    row: JSON = {
        "messages": [{"role": "user", "content": say("how")}, {"role": "assistant", "content": say("so")}],
        "timestamp": "2026-03-01T09:30:00+01:00",
    }
    return row if name is None else {"id": name, **row}


def write_array(path: Path, rows: Sequence[object]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_zip(path: Path, members: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def texts(messages: Sequence[Message]) -> list[str]:
    """What was said, without the marker."""
    return [message.content.removesuffix(f" {MARKER}") for message in messages]
