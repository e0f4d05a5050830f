"""Keeping what was said to a front end that names no conversation: each time it sends all of one.

The conversation that is meant is the one that is in the vault as it was before: all of what is sent but the new request
goes on from it; all of what is sent and one reply more is the same request again, and the new reply takes the old
one's place. Otherwise it is a new conversation. A front end that lets its user change what was said before makes
another conversation of it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from client.vault.conversations import message_values
from client.vault.vault import Vault
from shared.conversation import Conversation, Message


def new_chat_id() -> str:
    """Of a conversation that begins now. Random: an id must not say what was said."""
    return f"chat:{secrets.token_hex(16)}"


def keep_reply(vault: Vault, asked: Sequence[Message], reply: str) -> str:
    """Keeps a reply with all that led to it; the conversation's id.

    Args:
        asked: the whole conversation, the request last.

    Raises:
        VaultError: nothing was changed.
    """
    asked = tuple(asked)
    messages = (*asked, Message(role="assistant", content=reply))
    with vault.conversations.together():
        known = _meant(vault, asked)
        conversation = Conversation(
            conversation_id=new_chat_id() if known is None else known.conversation_id,
            started=datetime.now(UTC) if known is None else known.started,
            messages=messages,
        )
        vault.conversations.put(conversation, source="chats", digest=request_digest(asked))
    return conversation.conversation_id


def _meant(vault: Vault, asked: tuple[Message, ...]) -> Conversation | None:
    # A conversation is found by what its last reply answered, and is meant only if it says the very same.
    for found in vault.conversations.chats_with(request_digest(asked[:-2])):
        if found.messages == asked[:-1]:
            return found
    for found in vault.conversations.chats_with(request_digest(asked)):
        if found.messages[:-1] == asked:
            return found
    return None


def request_digest(messages: Sequence[Message]) -> str:
    """By which a chat is found: SHA-256 (hex) over all of it but its last reply."""
    return hashlib.sha256(json.dumps(message_values(messages)).encode("ascii")).hexdigest()
