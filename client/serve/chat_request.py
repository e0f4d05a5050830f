"""What `POST /v1/chat/completions` is asked, read from JSON: every field is honoured, known to be harmless, or refused.

Where a request does not say: temperature 0.7, about what local servers take (OpenAI's own is 1); a seed of its own.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from client.assistant.assistant import CHAT_TEMPERATURE, ReplySettings
from client.serve.api_errors import ApiError
from shared.conversation import Message, Role

DEFAULT_MAX_TOKENS = 1024
_MOST_MESSAGES = 4096
_MOST_STOPS = 4
_MOST_STOP_CHARACTERS = 256
_ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

_HONOURED = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "seed", "stop",
})  # fmt: skip
# They change nothing that this server does: nobody else is told who asks, and nothing is stored elsewhere.
_HARMLESS = frozenset({
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
    "parallel_tool_calls",
})  # fmt: skip
# What may be said where it says nothing.
_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
_IN_MESSAGE = frozenset({"role", "content", "name"})


@dataclass(frozen=True, kw_only=True, repr=False)
class ChatRequest:
    """Attributes:
    model: the name asked for.
    messages: what is to be answered; the last is the user's.
    settings: how.
    streams: whether the reply is sent as it is written.
    includes_usage: whether a stream ends with how many tokens that were.
    """

    model: str
    messages: tuple[Message, ...]
    settings: ReplySettings
    streams: bool
    includes_usage: bool

    def __repr__(self) -> str:
        return f"ChatRequest(model={self.model!r}, {len(self.messages)} messages)"

    @classmethod
    def parse(cls, body: bytes) -> ChatRequest:
        """Raises: ApiError: which field is wrong and why, without quoting it."""
        fields = _object(body)
        _check_known(fields)
        streams = _flag(fields, "stream")
        options = fields.get("stream_options", {})
        if not isinstance(options, dict) or (options and not streams):
            _refuse("stream_options", "must be an object, and needs `stream`")
        return cls(
            model=_text(fields, "model"),
            messages=_messages(fields.get("messages")),
            settings=_settings(fields),
            streams=streams,
            includes_usage=_flag(options, "include_usage", inside="stream_options."),
        )


def _object(body: bytes) -> dict[str, object]:
    """The fields that say something: null is as if a field were not there."""
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # they hold the text
        raise ApiError("the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise ApiError("the body is not a JSON object")
    return {name: field for name, field in value.items() if field is not None}


def _check_known(fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        if name in _HONOURED or name in _HARMLESS:
            continue
        if name not in _NEUTRAL:
            # A name that is not known may be anything: it is shown only if it looks like one.
            shown = name if name.isidentifier() and name.isascii() and len(name) <= 64 else "a field"
            raise ApiError(f"{shown} is not known here", param=shown, code="unknown_parameter")
        if not any(_same(value, neutral) for neutral in _NEUTRAL[name]):
            _refuse(name, "is not supported by this server", code="unsupported_parameter")


def _same(value: object, neutral: object) -> bool:
    return value == neutral and isinstance(value, bool) == isinstance(neutral, bool)


def _settings(fields: Mapping[str, object]) -> ReplySettings:
    limits = [name for name in ("max_completion_tokens", "max_tokens") if name in fields]
    seed = _whole(fields, "seed") if "seed" in fields else secrets.randbits(63)
    return ReplySettings(
        max_new_tokens=_whole(fields, limits[0], least=1) if limits else DEFAULT_MAX_TOKENS,
        temperature=_number(fields, "temperature", CHAT_TEMPERATURE, least=0.0, most=2.0),
        top_p=max(_number(fields, "top_p", 1.0, least=0.0, most=1.0), 1e-9),
        seed=seed % 2**64,
        stop=_stops(fields.get("stop", [])),
    )


def _stops(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or len(found) > _MOST_STOPS:
        _refuse("stop", f"must be a string or a list of at most {_MOST_STOPS}")
    stops = tuple(one for one in found if isinstance(one, str) and 0 < len(one) <= _MOST_STOP_CHARACTERS)
    if len(stops) < len(found):
        _refuse("stop", f"must hold strings of 1 to {_MOST_STOP_CHARACTERS} characters")
    return stops


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_MESSAGES:
        _refuse("messages", f"must be a list of 1 to {_MOST_MESSAGES} messages")
    messages = tuple(_message(one, f"messages[{place}]") for place, one in enumerate(value))
    if messages[-1].role != "user":
        _refuse("messages", "must end with the user's message")
    return messages


def _message(value: object, place: str) -> Message:
    if not isinstance(value, dict):
        _refuse(place, "must be an object")
    said = {name: field for name, field in value.items() if field is not None and field != []}
    if set(said) - _IN_MESSAGE:
        _refuse(place, "has fields that are not supported here: role and content are", code="unsupported_parameter")
    role = said.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        _refuse(f"{place}.role", f"must be one of {', '.join(_ROLES)}")
    return Message(role=_ROLES[role], content=_content(value.get("content"), f"{place}.content"))


def _content(value: object, place: str) -> str:
    parts: list[str] = []
    for part in [value] if isinstance(value, str) else value if isinstance(value, list) else [None]:
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part
        if not isinstance(text, str):
            _refuse(place, "must be a string or a list of text parts", code="unsupported_content")
        parts.append(text)
    whole = "".join(parts)
    if any("\ud800" <= character <= "\udfff" for character in whole):
        _refuse(place, "holds half of a surrogate pair, which is not text")
    return whole


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        _refuse(name, "must be a string")
    return value


def _flag(fields: Mapping[str, object], name: str, *, inside: str = "") -> bool:
    value = fields.get(name) or False
    if not isinstance(value, bool):
        _refuse(f"{inside}{name}", "must be true or false")
    return value


def _whole(fields: Mapping[str, object], name: str, *, least: int = -(2**63)) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**64:
        _refuse(name, "must be a whole number" + (f" of at least {least}" if least > 0 else ""))
    return value


def _number(fields: Mapping[str, object], name: str, default: float, *, least: float, most: float) -> float:
    value = fields.get(name, default)
    # NaN is refused by its comparison; an integer may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or value in (math.inf, -math.inf):
        _refuse(name, "must be a number")
    if not least <= value <= most:
        _refuse(name, f"must be between {least:g} and {most:g}")
    return float(value)


def _refuse(param: str, says: str, *, code: str = "invalid_value") -> NoReturn:
    raise ApiError(f"{param} {says}", param=param, code=code)
