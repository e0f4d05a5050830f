"""What the page's requests and answers have in common: JSON in, JSON out, and errors in plain words.

A body has the fields that an endpoint names and no others. Work that reads the vault or a model runs in a thread. No
error that is answered holds content, and nothing is logged of a request but the type of an error nobody expected.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive

from client.ab import ComparisonGoneError
from client.device import DeviceError
from client.persona.book import PersonaBookError
from client.privacy_ledger import LedgerError
from client.privacy_policy import PolicyError
from client.serve.api_errors import ApiError, error_body
from client.serve.leaving import until_left
from client.serve.running import BusyError
from client.vault.errors import ExcludedError, UnknownError, VaultBusyError, VaultError
from client.whole_text import whole_text
from shared.adapter_spec import AdapterError
from shared.chat_format import ChatTemplateError
from shared.conversation import InvalidConversationError, Message, Role
from shared.language_model import LanguageModelError

if TYPE_CHECKING:
    from client.serve.page_services import PageServices

_LOG = logging.getLogger(__name__)

MOST_MESSAGE_CHARACTERS = 100_000
_MOST_MESSAGES = 2_000

_Made = TypeVar("_Made")
Answer = dict[str, object]
Handler = Callable[["PageServices", Mapping[str, object]], Answer]

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownError, 404),
    (ComparisonGoneError, 410),
    (ExcludedError, 409),
    (PersonaBookError, 400),
    (InvalidConversationError, 400),
    (ChatTemplateError, 400),
    (VaultBusyError, 503),
    (VaultError, 500),
    (LedgerError, 500),
    (PolicyError, 500),
    (DeviceError, 500),
    (AdapterError, 500),
    (LanguageModelError, 500),
)


class JsonResponse(Response):
    """ASCII: exports hold halves of emojis, which are no UTF-8."""

    media_type = "application/json"

    def __init__(self, content: Mapping[str, object], status_code: int = 200) -> None:
        body = json.dumps(content, allow_nan=False, separators=(",", ":"))
        super().__init__(body, status_code, headers={"Cache-Control": "no-store"})


def explained(error: Exception) -> tuple[int, Answer]:
    """(status, what is answered) for an error."""
    if isinstance(error, ApiError):
        return error.status, error_body(str(error))
    if isinstance(error, BusyError):
        return 429, error_body("Tacit is answering elsewhere at this moment. Try again when it is done.")
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status, error_body(str(error))
    _LOG.error("a request of the page failed (%s)", type(error).__name__)
    return 500, error_body(f"Something went wrong on this device ({type(error).__name__}). Nothing was changed by it.")


def reading(path: str, services: PageServices, handler: Handler, *fields: str) -> Route:
    """A GET whose fields are in the query."""

    async def answer(request: Request) -> Response:
        return await _answer(services, handler, _checked(dict(request.query_params), fields))

    return Route(path, _guarded(answer), methods=["GET"])


def changing(path: str, services: PageServices, handler: Handler, *fields: str) -> Route:
    """A POST whose fields are a JSON object."""

    async def answer(request: Request) -> Response:
        return await _answer(services, handler, await body_of(request, fields))

    return Route(path, _guarded(answer), methods=["POST"])


def answering(path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
    """A POST that reads its request by itself."""
    return Route(path, _guarded(answer), methods=["POST"])


async def body_of(request: Request, fields: tuple[str, ...]) -> Mapping[str, object]:
    """The fields of a request's body. Raises: ApiError."""
    content = await request.body()
    try:
        values = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise ApiError("The request is not JSON.") from None
    if not isinstance(values, dict):
        raise ApiError("The request is not a JSON object.")
    return _checked(values, fields)


def text_of(values: Mapping[str, object], name: str, *, most: int = MOST_MESSAGE_CHARACTERS) -> str:
    """A text that is not blank. Raises: ApiError."""
    value = values.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ApiError(f"“{name}” must be a text.")
    if len(value) > most:
        raise ApiError(f"“{name}” is too long: at most {most} characters.", status=413)
    return whole_text(value)


def optional_text(values: Mapping[str, object], name: str) -> str | None:
    """A text, or None where there is none. Raises: ApiError."""
    return None if values.get(name) is None else text_of(values, name)


def number_of(values: Mapping[str, object], name: str, *, default: int | None = None) -> int:
    """A whole number that is not negative, from JSON or a query. Raises: ApiError."""
    value = values.get(name, default)
    if isinstance(value, str) and value.isdecimal() and len(value) < 16:
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**53:
        raise ApiError(f"“{name}” must be a whole number.")
    return value


def switch_of(values: Mapping[str, object], name: str) -> bool:
    """A yes or no. Raises: ApiError."""
    value = values.get(name)
    if not isinstance(value, bool):
        raise ApiError(f"“{name}” must be true or false.")
    return value


def messages_of(values: Mapping[str, object], name: str) -> tuple[Message, ...]:
    """A list of {role, content}. Raises: ApiError."""
    found = values.get(name)
    if not isinstance(found, list) or len(found) > _MOST_MESSAGES:
        raise ApiError(f"“{name}” must be a list of messages.")
    messages = []
    for one in found:
        if not isinstance(one, dict) or set(one) != {"role", "content"}:
            raise ApiError(f"“{name}” must be a list of messages.")
        role: Role = "assistant" if one["role"] == "assistant" else "user"
        if one["role"] != role:
            raise ApiError("A message is the user's or the assistant's.")
        messages.append(Message(role=role, content=text_of(one, "content")))
    return tuple(messages)


def message_values(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    """Messages as the page reads them."""
    return [{"role": message.role, "content": message.content} for message in messages]


async def unless_left(work: Coroutine[None, None, _Made], receive: Receive) -> _Made:
    """What the work gives. Where whoever asked goes away before, it is cancelled. Raises: ApiError."""
    made = await until_left(work, receive)
    if made is None:
        raise ApiError("Nobody waits for this any more.", status=499)
    return made


def _checked(values: Mapping[str, object], fields: tuple[str, ...]) -> Mapping[str, object]:
    unknown = len(set(values) - set(fields))
    if unknown:
        raise ApiError(f"The request has {unknown} fields that are not known here.")
    return values


async def _answer(services: PageServices, handler: Handler, values: Mapping[str, object]) -> Response:
    return JsonResponse(await run_in_threadpool(handler, services, values))


def _guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except Exception as error:  # noqa: BLE001, RUF100 - none may reach a log with its message
            status, said = explained(error)
            return JsonResponse(said, status)

    return endpoint
