"""ChatGPT's data export: `conversations.json`, or `conversations-000.json` and so on, as it is or in the export's .zip.

A file is a JSON array of conversations:

    {"title", "create_time", "conversation_id" or "id", "current_node",
     "mapping": {id: {"id", "parent", "children", "message": null or
         {"author": {"role"}, "create_time", "recipient", "metadata",
          "content": {"content_type", "parts" or "text"}}}}}

with times in seconds since 1970 (UTC). What the user and the assistant said to each other is kept; of a message with
pictures its text; of a spoken one its transcript.
"""

from __future__ import annotations

from client.importers.imported import (
    ImportedConversation,
    ImportFormat,
    Record,
    SkippedMessage,
    conversation,
    refuse,
    said,
)
from client.importers.message_tree import TreeNode, main_line
from client.importers.record_fields import earliest, items, mapping, moment, number, text
from shared.conversation import Message

_SIDE_BY_SIDE = "paragen_variants_info"  # ChatGPT asked which of two replies is better


def parse(record: Record) -> ImportedConversation:
    """A conversation's main line and its choices. Raises: MalformedConversationError."""
    nodes = mapping(record.get("mapping"))
    if not nodes:
        refuse("without its messages")
    tree = {name: _node(node) for name, value in nodes.items() if (node := mapping(value)) is not None}
    line = main_line(tree, record.get("current_node"))
    started = moment(record.get("create_time"))
    return ImportedConversation(
        conversation=conversation(
            "chatgpt",
            record.get("conversation_id") or record.get("id"),
            started or earliest(node.time for node in tree.values()),
            line.messages,
        ),
        branches=line.branches,
        skipped=line.skipped,
        skipped_branches=line.skipped_branches,
    )


def _node(node: Record) -> TreeNode:
    parent = node.get("parent")
    message = mapping(node.get("message"))
    metadata = (mapping(message.get("metadata")) if message is not None else None) or {}
    return TreeNode(
        parent=parent if isinstance(parent, str) else None,
        children=[child for child in items(node.get("children")) or () if isinstance(child, str)],
        said=None if message is None else _said(message, metadata),
        time=None if message is None else number(message.get("create_time")),
        beside=bool(metadata.get(_SIDE_BY_SIDE)),
    )


def _said(message: Record, metadata: Record) -> Message | SkippedMessage:
    role = (mapping(message.get("author")) or {}).get("role")
    content = mapping(message.get("content"))
    if metadata.get("is_visually_hidden_from_conversation"):
        return "hidden"
    if role == "system":
        return "the service's own system message"
    if content is None:
        return "not a message"
    if role == "tool":
        return "a tool's message"
    if message.get("recipient", "all") not in ("all", None):
        return "a call of a tool"
    if content.get("content_type") not in ("text", "multimodal_text"):
        return "thoughts, code or other content that is not said"
    parts = items(content.get("parts"))
    if parts is None:
        return said(role, text(content.get("text")))
    spoken = [_part(part) for part in parts]
    found = "\n".join(one for one in spoken if one)
    if not found and any(not isinstance(part, str) for part in parts):
        return "an image, sound or file without text"
    return said(role, found)


def _part(part: object) -> str:
    block = mapping(part)
    if block is not None and block.get("content_type") == "audio_transcription":
        return text(block.get("text"))
    return text(part)


FORMAT = ImportFormat(
    name="chatgpt",
    told_by="ChatGPT's conversations.json (an object with `mapping`)",
    recognises=lambda record: "mapping" in record,
    parse=parse,
)
