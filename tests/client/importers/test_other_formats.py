"""Claude, ShareGPT, WildChat, LMSYS, Open WebUI and plain messages: what is read, what is skipped."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from client.importers.detection import FORMATS
from client.importers.imported import FormatName, ImportedConversation, MalformedConversationError
from tests.client.importers.exports import (
    JSON,
    claude,
    lmsys,
    messages_row,
    open_webui,
    say,
    sharegpt,
    texts,
    webui_node,
    wildchat,
)


def parse(name: FormatName, record: JSON) -> ImportedConversation:
    return FORMATS[name].parse(record)


@pytest.mark.parametrize(
    ("name", "record", "own_id", "started"),
    [
        ("claude", claude(), "claude:u1", datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)),
        ("sharegpt", sharegpt(), "sharegpt:s1_0", None),
        ("wildchat", wildchat(), "wildchat:" + "a" * 32, datetime(2023, 4, 9, 0, 2, 53, tzinfo=UTC)),
        ("lmsys", lmsys(), "lmsys:" + "b" * 32, None),
        ("open-webui", open_webui(), "open-webui:w1", datetime.fromtimestamp(1700000000, UTC)),
        ("messages", messages_row("m 1"), None, datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_every_format_gives_its_conversation(
    name: FormatName, record: JSON, own_id: str | None, started: datetime | None
) -> None:
    imported = parse(name, record)

    assert own_id is None or imported.conversation.conversation_id == own_id
    assert imported.conversation.started == started
    assert {"user", "assistant"} <= {message.role for message in imported.conversation.messages}
    assert not imported.skipped


@pytest.mark.parametrize("name", list(FORMATS))
@pytest.mark.parametrize(
    "record", [{}, {"messages": 7}, {"chat": {"history": 7}}, {"conversation": [7], "conversations": [7]}]
)
def test_what_is_no_conversation_is_refused(name: FormatName, record: JSON) -> None:
    with pytest.raises(MalformedConversationError):
        parse(name, record)


def test_without_an_id_the_messages_are_the_id() -> None:
    first, again = (parse("sharegpt", sharegpt(None)).conversation.conversation_id for _ in range(2))
    other = parse("messages", messages_row()).conversation.conversation_id

    assert first == again
    assert first.startswith("sharegpt:sha256-")
    assert other.startswith("messages:sha256-")
    assert first.rpartition("-")[2] != other.rpartition("-")[2]


def test_claudes_blocks_of_text_are_the_message() -> None:
    record = claude()
    record["chat_messages"] = [
        {"sender": "human", "text": say("look"), "content": [], "created_at": "2026-03-01T08:30:00Z"},
        {
            "sender": "assistant",
            "text": "This block is not supported on your current device yet.",
            "content": [
                {"type": "thinking", "thinking": say("hm")},
                {"type": "tool_use", "name": "search"},
                {"type": "text", "text": say("found")},
            ],
        },
        {"sender": "assistant", "text": "", "content": [{"type": "tool_result", "content": []}]},
        {"sender": "human", "text": "", "content": [], "attachments": [{"extracted_content": say("file")}]},
        {"sender": "robot", "text": say("x"), "content": []},
        {"sender": ["human"], "text": say("x")},
        7,
    ]

    imported = parse("claude", record)

    assert texts(imported.conversation.messages) == ["look", "found"]
    assert imported.skipped == {
        "thoughts, code or other content that is not said": 1,
        "an image, sound or file without text": 1,
        "of a role that is not user, assistant or system": 2,
        "not a message": 1,
    }


def test_sharegpts_tools_are_skipped_and_two_turns_in_a_row_are_kept() -> None:
    record: JSON = {
        "id": "x",
        "conversations": [
            {"from": "human", "value": say("a")},
            {"from": "human", "value": say("b")},
            {"from": "tool", "value": say("c")},
            {"from": "gpt", "value": say("d")},
            {"from": "gpt", "value": None},
        ],
    }

    imported = parse("sharegpt", record)

    assert texts(imported.conversation.messages) == ["a", "b", "d"]
    assert imported.skipped == {"a tool's message": 1, "not a message": 1}


def test_open_webuis_regenerated_reply_is_evidence_and_another_models_is_not() -> None:
    imported = parse("open-webui", open_webui())

    (choice,) = imported.choices()
    assert choice.kind == "regenerated"
    assert (texts(choice.prompt), texts(choice.kept), texts(choice.left)) == (["how"], ["second"], ["first"])
    record = open_webui()
    chat = record["chat"]
    assert isinstance(chat, dict)
    chat["history"]["messages"]["b"]["modelIdx"] = 1
    assert parse("open-webui", record).skipped_branches == {"shown side by side": 1}


def test_open_webuis_first_message_may_be_edited() -> None:
    record = open_webui()
    chat = record["chat"]
    assert isinstance(chat, dict)
    chat["history"]["messages"]["p"] = webui_node("p", None, ["o"], "user", "hwo", 1600000000)
    chat["history"]["messages"]["o"] = webui_node("o", "p", [], "assistant", "what?", 1600000001)

    first, _ = parse("open-webui", record).choices()

    assert (first.kind, first.prompt, texts(first.left)) == ("edited", (), ["hwo", "what?"])


def test_open_webuis_flat_messages_are_read_without_a_history() -> None:
    flat: JSON = {"id": "w", "chat": {"messages": messages_row()["messages"], "timestamp": 1700000000000}}

    imported = parse("open-webui", flat)

    assert texts(imported.conversation.messages) == ["how", "so"]
    assert imported.conversation.started == datetime.fromtimestamp(1700000000, UTC)


def test_content_may_be_parts_as_chat_apis_have_them() -> None:
    image: JSON = {"type": "image_url", "image_url": {"url": "data:"}}
    record: JSON = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": say("what is this?")}, image]},
            {"role": "user", "content": [image]},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "content": say("x")},
            {"role": "assistant", "content": say("a bird")},
        ]
    }

    imported = parse("messages", record)

    assert texts(imported.conversation.messages) == ["what is this?", "a bird"]
    assert imported.skipped == {
        "an image, sound or file without text": 1, "not a message": 1, "a tool's message": 1,
    }  # fmt: skip


def test_a_time_without_a_zone_is_none_where_nobody_says_which() -> None:
    assert parse("messages", {**messages_row(), "timestamp": "2026-03-01T09:30:00"}).conversation.started is None
    assert parse("messages", {**messages_row(), "timestamp": 1700000000123}).conversation.started == datetime(
        2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC
    )
