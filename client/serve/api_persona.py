"""`/api/persona…`: what is believed of the user, where each statement comes from, and what they say to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.routing import BaseRoute

from client.persona.book import PersonaBook
from client.persona.statements import MAX_STATEMENT_CHARACTERS, Statement
from client.serve.api_conversations import title_of
from client.serve.api_errors import ApiError
from client.serve.api_requests import Answer, changing, number_of, reading, text_of
from client.serve.page_services import PageServices
from client.vault.errors import UnknownError

_MOST_EVIDENCE = 20


def persona_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""
    return [
        reading("/api/persona", services, _persona),
        changing("/api/persona/write", services, _write, "text"),
        changing("/api/persona/lock", services, _lock, "number", "text"),
        changing("/api/persona/unlock", services, _unlock, "number", "text"),
        changing("/api/persona/strike", services, _strike, "number", "text"),
        changing("/api/persona/unstrike", services, _unstrike, "text"),
    ]


def _persona(services: PageServices, _values: Mapping[str, object]) -> Answer:
    book = services.vault.personas.load()
    titles: dict[str, str] = {}

    def title(name: str) -> str:
        if name not in titles:
            try:
                titles[name] = title_of(services.vault.conversations.get(name).messages)
            except UnknownError:
                titles[name] = "A conversation that is gone"
        return titles[name]

    def values(number: int, one: Statement) -> Answer:
        return {
            "number": number,
            "text": one.text,
            "source": one.source,
            "locked": one.locked,
            "confidence": f"{one.confidence:.0%}",
            "evidence": [
                {
                    "conversation": found.conversation_id,
                    "title": title(found.conversation_id),
                    "turn": found.turn,
                    "date": None if found.date is None else found.date.isoformat(),
                }
                for found in reversed(one.evidence[-_MOST_EVIDENCE:])
            ],
            "evidence_count": len(one.evidence),
        }

    return {
        "statements": [values(number, one) for number, one in enumerate(book.persona().statements, start=1)],
        "struck": list(book.struck),
        "most_characters": MAX_STATEMENT_CHARACTERS,
        "read": len(book.read),
        "left_out": {reason.value: count for reason, count in book.dropped().items()},
    }


def _write(services: PageServices, values: Mapping[str, object]) -> Answer:
    text = text_of(values, "text", most=10 * MAX_STATEMENT_CHARACTERS)
    return _changed(services, lambda book: book.write(text))


def _lock(services: PageServices, values: Mapping[str, object]) -> Answer:
    return _changed(services, lambda book: book.lock(_place(book, values)))


def _unlock(services: PageServices, values: Mapping[str, object]) -> Answer:
    return _changed(services, lambda book: book.unlock(_place(book, values)))


def _strike(services: PageServices, values: Mapping[str, object]) -> Answer:
    return _changed(services, lambda book: book.strike(_place(book, values)))


def _unstrike(services: PageServices, values: Mapping[str, object]) -> Answer:
    text = text_of(values, "text", most=10 * MAX_STATEMENT_CHARACTERS)
    return _changed(services, lambda book: book.unstrike(text))


def _place(book: PersonaBook, values: Mapping[str, object]) -> int:
    """The number of the statement that is meant: it may have moved since it was shown. Raises: ApiError."""
    number, text = number_of(values, "number"), text_of(values, "text", most=100_000)
    statements = book.persona().statements
    if 1 <= number <= len(statements) and statements[number - 1].text == text:
        return number
    found = [place for place, one in enumerate(statements, start=1) if one.text == text]
    if not found:
        raise ApiError("This statement has changed meanwhile. Load the page again.", status=409)
    return found[0]


def _changed(services: PageServices, change: Callable[[PersonaBook], PersonaBook]) -> Answer:
    services.vault.personas.edit(change)
    return _persona(services, {})
