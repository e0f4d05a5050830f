"""`/api/pairs` and `/api/pair…`: what is learned from, to look at, correct or drop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from starlette.routing import BaseRoute

from client.serve.api_conversations import title_of
from client.serve.api_errors import ApiError
from client.serve.api_requests import (
    MOST_MESSAGE_CHARACTERS,
    Answer,
    changing,
    message_values,
    number_of,
    reading,
)
from client.serve.page_services import PageServices, learn_anew
from client.vault.errors import UnknownError
from client.vault.pairs import PAIR_STATES, KeptPair

_EXCERPT = 140
_PAGE = 50


def pair_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""
    return [
        reading("/api/pairs", services, _list, "state", "from"),
        reading("/api/pair", services, _get, "number"),
        changing("/api/pair/correct", services, _correct, "number", "better"),
        changing("/api/pair/drop", services, _drop, "number"),
    ]


def _list(services: PageServices, values: Mapping[str, object]) -> Answer:
    """Newest first."""
    every = services.vault.pairs.every()
    counts = Counter(one.state for one in every)
    wanted = next((state for state in PAIR_STATES if state == values.get("state")), None)
    usable = {one.number for one in services.vault.pairs.trainable()}
    found = [one for one in reversed(every) if wanted is None or one.state == wanted]
    start = number_of(values, "from", default=0)
    page = found[start : start + _PAGE]
    return {
        "pairs": [_facts(one, usable=one.number in usable) for one in page],
        "counts": {state: counts.get(state, 0) for state in PAIR_STATES},
        "usable": len(usable),
        "next": start + _PAGE if start + _PAGE < len(found) else None,
        "turned_away": dict(services.vault.attempts.outcomes() - Counter(made=10**9)),
    }


def _get(services: PageServices, values: Mapping[str, object]) -> Answer:
    return _whole(services, services.vault.pairs.get(number_of(values, "number")))


def _correct(services: PageServices, values: Mapping[str, object]) -> Answer:
    """`better` is one text for each of the assistant's messages in the better reply."""
    number, texts = number_of(values, "number"), values.get("better")
    pairs = services.vault.pairs
    chosen = pairs.get(number).pair.chosen
    slots = sum(message.role == "assistant" for message in chosen)
    if not isinstance(texts, list) or len(texts) != slots or not all(isinstance(text, str) for text in texts):
        raise ApiError(f"“better” must be a list of {slots} texts.")
    if any(not text.strip() for text in texts):
        raise ApiError("The better reply must not be empty. To not use this pair at all, drop it.")
    if sum(len(text) for text in texts) > MOST_MESSAGE_CHARACTERS:
        raise ApiError("The better reply is too long.", status=413)
    rest = iter(texts)
    corrected = tuple(replace(one, content=next(rest)) if one.role == "assistant" else one for one in chosen)
    if corrected == pairs.get(number).pair.rejected:
        raise ApiError("The better reply must differ from the worse one. To not use this pair at all, drop it.")
    was_trained_on = pairs.correct(number, chosen=corrected)
    if was_trained_on:
        learn_anew(services)
    return {**_whole(services, pairs.get(number)), "retraining": was_trained_on}


def _drop(services: PageServices, values: Mapping[str, object]) -> Answer:
    """A pair that was trained on goes out of the adapter as well."""
    number = number_of(values, "number")
    was_trained_on = services.vault.pairs.drop(number)
    if was_trained_on:
        learn_anew(services)
    return {**_whole(services, services.vault.pairs.get(number)), "retraining": was_trained_on}


def _facts(one: KeptPair, *, usable: bool) -> Answer:
    request = " ".join(one.pair.prompt[-1].content[: 4 * _EXCERPT].split())
    return {
        "number": one.number,
        "origin": one.pair.origin,
        "state": one.state,
        "made": one.made_at.isoformat(),
        "usable": usable,
        "request": request if len(request) <= _EXCERPT else request[:_EXCERPT].rsplit(" ", 1)[0] + " …",
    }


def _whole(services: PageServices, one: KeptPair) -> Answer:
    usable = any(other.number == one.number for other in services.vault.pairs.trainable())
    return {
        **_facts(one, usable=usable),
        "prompt": message_values(one.pair.prompt),
        "better": message_values(one.pair.chosen),
        "worse": message_values(one.pair.rejected),
        "persona": one.pair.persona,
        "conversations": [{"id": name, "title": _title(services, name)} for name in one.conversation_ids],
        "from_choice": bool(one.choices),
    }


def _title(services: PageServices, name: str) -> str:
    try:
        return title_of(services.vault.conversations.get(name).messages)
    except UnknownError:
        return "A conversation that is gone"
