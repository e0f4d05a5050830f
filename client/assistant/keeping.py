"""Keeping what was said to a front end that names no conversation: each time it sends all of one.

The conversation that is meant is the one that is in the vault as it was before: all of what is sent but the new request
goes on from it; all of what is sent and one reply more is the same request again, and the new reply takes the old
one's place. Otherwise it is a new conversation. A front end that lets its user change what was said before makes
another conversation of it: a private one where it begins as a private one does, and none at all where it begins as one
that was forgotten (`client.vault.beginnings`).

System messages do not count: they are the front end's, and some hold the time of day. A conversation keeps those that
it began with.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from client.vault.conversations import message_values
from client.vault.vault import Vault
from shared.conversation import Conversation, Message


def new_chat_id() -> str:
    """Of a conversation that begins now. Random: an id must not say what was said."""
    return f"chat:{secrets.token_hex(16)}"


def keep_reply(vault: Vault, asked: Sequence[Message], reply: str) -> str | None:
    """Keeps a reply with all that led to it; the conversation's id, or None where it goes on from a forgotten one.

    Args:
        asked: the whole conversation, the request last.

    Raises:
        VaultError: nothing was changed.
    """
    asked, answer = tuple(asked), Message(role="assistant", content=reply)
    with vault.conversations.together():
        found = _meant(vault, asked)
        private = False
        if found is None:
            kind = vault.beginnings.kind_of(asked)
            if kind == "forgotten":
                return None
            private = kind == "private"
            kept = Conversation(conversation_id=new_chat_id(), started=datetime.now(UTC), messages=(*asked, answer))
        else:
            kept = replace(found, messages=(*found.messages, answer))
        vault.conversations.put(kept, source="chats", digest=request_digest(asked), private=private)
        if private:
            vault.beginnings.add(kept.conversation_id, "private")
    return kept.conversation_id


def _meant(vault: Vault, asked: tuple[Message, ...]) -> Conversation | None:
    """The conversation up to the request."""
    # It is found by what its last reply answered, and is meant only if it says the very same.
    said = _said(asked)
    for found in vault.conversations.chats_with(request_digest(said[:-2])):
        if _said(found.messages) == said[:-1]:
            return replace(found, messages=(*found.messages, asked[-1]))
    for found in vault.conversations.chats_with(request_digest(said)):
        if _said(found.messages)[:-1] == said:
            return replace(found, messages=found.messages[:-1])
    return None


def _said(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.role != "system")


def request_digest(messages: Sequence[Message]) -> str:
    """By which a chat is found: SHA-256 (hex) over all of it but its last reply and what the system said."""
    return hashlib.sha256(json.dumps(message_values(_said(messages))).encode("ascii")).hexdigest()
