"""What a log of real conversations holds: users, each with their own conversations, and what was not used and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.conversation import Conversation

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, repr=False)
class UserConversations:
    """One user's conversations, the oldest first; those without a time come first, in the order of the source."""

    user_id: str
    conversations: tuple[Conversation, ...]

    def __repr__(self) -> str:
        return f"UserConversations({len(self.conversations)} conversations)"


@dataclass(frozen=True, kw_only=True, repr=False)
class ConversationLog:
    """The users of one source.

    Attributes:
        name: the data source.
        users: in the order in which the source first mentions them.
        left_out: reason → how many records are not among the users' conversations for it. May be zero.
        read: what was counted in the source → how many.
    """

    name: str
    users: tuple[UserConversations, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ConversationLog({self.name!r}, {len(self.users)} users, {self.conversation_count()} conversations)"

    def conversation_count(self) -> int:
        """How many conversations there are, over all users."""
        return sum(len(user.conversations) for user in self.users)


def in_time_order(user_id: str, conversations: list[Conversation]) -> UserConversations:
    """A user's conversations in the order in which they began."""
    ordered = sorted(conversations, key=lambda conversation: conversation.started or _BEFORE_ALL)
    return UserConversations(user_id=user_id, conversations=tuple(ordered))
