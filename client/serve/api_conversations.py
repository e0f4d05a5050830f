"""`/api/conversations` and `/api/conversation…`: what is kept, to read, to keep out of learning, and to forget."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import BaseRoute

from client.forgetting import AdapterAfter, exclude_conversation, forget_conversation
from client.serve.api_errors import ApiError
from client.serve.api_requests import Answer, changing, message_values, number_of, reading, text_of
from client.serve.page_services import PageServices, learn_anew
from client.vault.conversations import ConversationFacts
from client.vault.forgetting import Excluded
from shared.conversation import Message

_PAGE, _MOST = 40, 200
_TITLE_CHARACTERS = 60


def conversation_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""
    return [
        reading("/api/conversations", services, _list, "from", "count"),
        reading("/api/conversation", services, _get, "id"),
        reading("/api/quote", services, _quote, "id", "turn"),
        changing("/api/conversation/private", services, _mark_private, "id"),
        changing("/api/conversation/forget", services, _forget, "id"),
    ]


def title_of(messages: tuple[Message, ...]) -> str:
    """The first words of the first thing that the user said."""
    first = next((message.content for message in messages if message.role == "user"), "")
    words = " ".join(first[: 4 * _TITLE_CHARACTERS].split())
    if len(words) <= _TITLE_CHARACTERS:
        return words or "Without words"
    return words[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] + " …"


def heading(services: PageServices, facts: ConversationFacts) -> Answer:
    """What is shown of a conversation in a list."""
    return {
        "id": facts.conversation_id,
        "title": title_of(services.vault.conversations.get(facts.conversation_id).messages),
        "private": facts.private,
        "source": facts.source,
        "format": facts.format,
        "started": (facts.started or facts.added_at).isoformat(),
        "messages": facts.messages,
    }


def _list(services: PageServices, values: Mapping[str, object]) -> Answer:
    """Newest first."""
    start = number_of(values, "from", default=0)
    count = min(number_of(values, "count", default=_PAGE), _MOST)
    facts = sorted(
        services.vault.conversations.every_facts(), key=lambda one: one.started or one.added_at, reverse=True
    )
    page = facts[start : start + count]
    return {
        "conversations": [heading(services, one) for one in page],
        "total": len(facts),
        "next": start + count if start + count < len(facts) else None,
    }


def _get(services: PageServices, values: Mapping[str, object]) -> Answer:
    name = text_of(values, "id")
    facts = services.vault.conversations.facts(name)
    said = services.vault.conversations.get(name).messages
    return {**heading(services, facts), "said": message_values(said)}


def _quote(services: PageServices, values: Mapping[str, object]) -> Answer:
    """One message, as evidence."""
    said = services.vault.conversations.get(text_of(values, "id")).messages
    turn = number_of(values, "turn")
    if turn >= len(said):
        raise ApiError("This message is no longer there.", status=404)
    return {"content": said[turn].content, "title": title_of(said)}


def _mark_private(services: PageServices, values: Mapping[str, object]) -> Answer:
    name = text_of(values, "id")
    excluded, after = exclude_conversation(services.vault, services.device, name, None)
    _after(services, after)
    return {"removed": _removed(excluded), "retraining": after.removed}


def _forget(services: PageServices, values: Mapping[str, object]) -> Answer:
    name = text_of(values, "id")
    forgotten, after = forget_conversation(services.vault, services.device, name, None)
    services.comparisons.forget(name)
    _after(services, after)
    return {
        "messages": forgotten.messages,
        "choices": forgotten.choices,
        "votes": forgotten.votes,
        "removed": _removed(forgotten.derived),
        "backups": list(forgotten.backups),
        "overwritten": forgotten.overwritten,
        "cannot_be_undone": forgotten.cannot_be_undone,
        "retraining": after.removed,
    }


def _after(services: PageServices, after: AdapterAfter) -> None:
    services.assistant.forget_caches()
    if after.removed:
        learn_anew(services)


def _removed(derived: Excluded) -> Answer:
    return {
        "pairs": derived.pairs,
        "used_pairs": derived.used_pairs,
        "observations": derived.observations,
        "statements": derived.statements,
    }
