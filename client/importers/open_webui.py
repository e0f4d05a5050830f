"""Open WebUI's export of chats, a JSON array:

    {"id", "title", "created_at", "chat": {"history": {"currentId", "messages": {id:
        {"id", "parentId", "childrenIds", "role", "content", "timestamp"}}}, "messages": [...]}}

`history` is a tree like ChatGPT's; without it, the flat `messages` are read. Replies of several models that were asked
at once are not regenerated ones.
"""

from __future__ import annotations

from client.importers.imported import (
    ImportedConversation,
    ImportFormat,
    Record,
    conversation,
    flat_conversation,
    refuse,
)
from client.importers.message_tree import TreeNode, main_line
from client.importers.record_fields import earliest, items, mapping, moment, number
from client.importers.rows import said_in_chat


def parse(record: Record) -> ImportedConversation:
    """A conversation's main line and its choices. Raises: MalformedConversationError."""
    chat = mapping(record.get("chat")) or record
    started = moment(record.get("created_at")) or moment(chat.get("timestamp"))
    own_id = record.get("id") or chat.get("id")
    history = mapping(chat.get("history")) or {}
    nodes = mapping(history.get("messages"))
    if not nodes:
        turns = items(chat.get("messages"))
        if not turns:
            refuse("without its messages")
        started = started or earliest(turn.get("timestamp") for turn in map(mapping, turns) if turn is not None)
        return flat_conversation("open-webui", own_id, started, map(said_in_chat, turns))
    tree = {name: _node(node) for name, value in nodes.items() if (node := mapping(value)) is not None}
    line = main_line(tree, history.get("currentId"))
    return ImportedConversation(
        conversation=conversation(
            "open-webui", own_id, started or earliest(node.time for node in tree.values()), line.messages
        ),
        branches=line.branches,
        skipped=line.skipped,
        skipped_branches=line.skipped_branches,
    )


def _node(node: Record) -> TreeNode:
    parent = node.get("parentId")
    return TreeNode(
        parent=parent if isinstance(parent, str) else None,
        children=[child for child in items(node.get("childrenIds")) or () if isinstance(child, str)],
        said=said_in_chat(node),
        time=number(node.get("timestamp")),
        lane=number(node.get("modelIdx")),
    )


FORMAT = ImportFormat(
    name="open-webui",
    told_by="Open WebUI's chat export (an object with `chat`)",
    recognises=lambda record: isinstance(record.get("chat"), dict),
    parse=parse,
)
