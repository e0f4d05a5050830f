"""Preference pairs as lines of text: a strict reader and writer of TRL's preference JSONL, one pair a line.

A line is a JSON object with

    prompt, chosen, rejected   lists of {"role", "content"}; or all three plain strings (one user message, two replies);
                               or `prompt` left out and both lists starting with it (TRL's implicit prompt)
    user_id                    whose preference it is (a string or an integer)
    persona                    optional: statements about that user
    origin                     optional: "rewrite", "reward" or "vote"
    question_id                optional: what the pair is about, so that a split can keep a question on one side

and nothing else, unless the caller names further keys. Every error names file, line and field, and never quotes the
file: these are people's own words. For the same reason no error here has a `__cause__` or `__context__` (the standard
library's decoding errors carry the text they failed on).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from shared.conversation import (
    ORIGINS,
    ROLES,
    InvalidConversationError,
    Message,
    Origin,
    PreferencePair,
)

KNOWN_KEYS = frozenset({"prompt", "chosen", "rejected", "user_id", "persona", "origin", "question_id"})

# A key is quoted in an error only if it looks like a key: a line of free text used as one must not be echoed.
_KEY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")


class PreferenceLineError(ValueError):
    """A line is not what it must be. Names file, line (from 1) and field; never the content."""

    def __init__(self, *, file: str, line: int, field: str, reason: str) -> None:
        super().__init__(f"{file}, line {line}, {field}: {reason}")
        self.file = file
        self.line = line
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and worker processes raise these.
        return _rebuild_line_error, (self.file, self.line, self.field, self.reason)


def _rebuild_line_error(file: str, line: int, field: str, reason: str) -> PreferenceLineError:
    return PreferenceLineError(file=file, line=line, field=field, reason=reason)


@dataclass(frozen=True, kw_only=True, repr=False)
class PreferenceLine:
    """One pair and whose it is.

    Attributes:
        user_id: whose preference this is; None only where the caller allowed it (a device knows its own user).
        question_id: what the pair is about, or None.
        extra: values of the further keys the caller named: strings and integers only.
    """

    pair: PreferencePair
    user_id: str | None = None
    question_id: str | None = None
    extra: Mapping[str, str | int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"PreferenceLine({self.pair!r}, user {'named' if self.user_id is not None else 'not named'})"


@dataclass(frozen=True, kw_only=True)
class JsonLine:
    """A parsed JSON object that still remembers where it stood, so that every complaint about it can say so."""

    file: str
    line: int
    values: Mapping[str, object] = field(repr=False)

    def error(self, field: str, reason: str) -> PreferenceLineError:
        """A complaint about `field` of this line."""
        return PreferenceLineError(file=self.file, line=self.line, field=field, reason=reason)

    def refuse(self, field: str, reason: str) -> NoReturn:
        """Raise that complaint."""
        raise self.error(field, reason)

    def check_keys(self, *, required: Collection[str], optional: Collection[str]) -> None:
        """Refuse unknown keys by name, then missing ones."""
        for key in self.values:
            if key not in required and key not in optional:
                self.refuse(_quotable(key), "unknown key")
        for key in sorted(required):
            if key not in self.values:
                self.refuse(key, "missing")

    def text(self, key: str) -> str:
        """The non-blank string under `key`."""
        return self._checked_text(key, self.values.get(key))

    def integer(self, key: str, *, minimum: int) -> int:
        """The integer under `key`, at least `minimum`."""
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            self.refuse(key, f"must be an integer of at least {minimum}")
        return value

    def identifier(self, key: str) -> str:
        """The name under `key`: a non-blank string, or an integer as its decimal string."""
        value = self.values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            self.refuse(key, "must be a string or an integer")
        return self._checked_text(key, value)

    def messages(self, key: str) -> tuple[Message, ...]:
        """The messages under `key`: a list of objects with exactly `role` and `content`."""
        value = self.values.get(key)
        if not isinstance(value, list) or not value:
            self.refuse(key, "must be a non-empty list of messages")
        return tuple(self._message(f"{key}[{position}]", entry) for position, entry in enumerate(value))

    def _message(self, where: str, entry: object) -> Message:
        if not isinstance(entry, dict):
            self.refuse(where, "must be an object with role and content")
        for key in entry:
            if key not in ("role", "content"):
                self.refuse(f"{where}.{_quotable(key)}", "unknown key")
        return self.message(where, entry.get("role"), entry.get("content"))

    def message(self, where: str, role: object, content: object) -> Message:
        """A message from its two unchecked parts; `where` is how an error names it."""
        if role not in ROLES:
            self.refuse(f"{where}.role", f"must be one of {', '.join(ROLES)}")
        if not isinstance(content, str):
            self.refuse(f"{where}.content", "must be a string")
        self._check_encodable(f"{where}.content", content)
        return Message(role=role, content=content)

    def _checked_text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, "must be a string that is not blank")
        self._check_encodable(key, value)
        return value

    def _check_encodable(self, key: str, value: str) -> None:
        if not _is_encodable(value):
            self.refuse(key, "holds half of a surrogate pair, which is not text")


def parse_json_line(text: str, *, file: str, line: int) -> JsonLine:
    """Parse one line into an object: no duplicated key anywhere, no NaN or infinity.

    Raises:
        PreferenceLineError: naming the key where one is at fault, else the field "line".
    """
    reason, where, values = "", "line", None
    try:
        values = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except _DuplicatedKeyError as error:
        reason, where = "this key stands twice in one object", error.key
    except _ConstantError:
        reason = "NaN and infinity are not JSON"
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        reason = f"not complete JSON (column {error.colno}){': the line seems cut short' if at_end else ''}"
    except (ValueError, RecursionError):
        reason = "a number is too long or the nesting too deep"
    # Raised here and not in the handlers, so that the standard library's error, which holds the text, is let go.
    if reason:
        raise PreferenceLineError(file=file, line=line, field=where, reason=reason)
    if not isinstance(values, dict):
        raise PreferenceLineError(file=file, line=line, field="line", reason="must be a JSON object")
    return JsonLine(file=file, line=line, values=values)


def parse_preference_line(
    text: str,
    *,
    file: str,
    line: int,
    extra_keys: Collection[str] = (),
    user_id_required: bool = True,
    default_origin: Origin = "vote",
) -> PreferenceLine:
    """Parse one line of preference JSONL.

    Args:
        text: the line.
        file, line: where it stands (line counts from 1), for errors.
        extra_keys: further keys this source has; their values must be strings or integers and are kept in `extra`.
        user_id_required: a device that reads its own user's file passes False.
        default_origin: of pairs that do not state theirs.

    Raises:
        PreferenceLineError: the line is malformed; nothing is repaired or dropped.
    """
    parsed = parse_json_line(text, file=file, line=line)
    required = {"chosen", "rejected"} | ({"user_id"} if user_id_required else set())
    parsed.check_keys(required=required, optional=KNOWN_KEYS | set(extra_keys))
    prompt, chosen, rejected = _conversation(parsed)
    persona = parsed.text("persona") if parsed.values.get("persona") is not None else None
    origin = parsed.values.get("origin", default_origin)
    if origin not in ORIGINS:
        parsed.refuse("origin", f"must be one of {', '.join(ORIGINS)}")
    pair = make_pair(parsed, prompt=prompt, chosen=chosen, rejected=rejected, persona=persona, origin=origin)
    return PreferenceLine(
        pair=pair,
        user_id=parsed.identifier("user_id") if "user_id" in parsed.values else None,
        question_id=parsed.identifier("question_id") if "question_id" in parsed.values else None,
        extra={key: _extra(parsed, key) for key in sorted(extra_keys) if key in parsed.values},
    )


def make_pair(
    parsed: JsonLine,
    *,
    prompt: tuple[Message, ...],
    chosen: tuple[Message, ...],
    rejected: tuple[Message, ...],
    persona: str | None,
    origin: Origin,
) -> PreferencePair:
    """A pair, with a broken rule of `PreferencePair` reported as this line's error."""
    try:
        return PreferencePair(prompt=prompt, chosen=chosen, rejected=rejected, persona=persona, origin=origin)
    except InvalidConversationError as error:
        reason = str(error)
    where = next((name for name in ("prompt", "chosen", "rejected") if f"pair's {name}" in reason), "line")
    raise parsed.error(where, reason)


def format_preference_line(value: PreferenceLine) -> str:
    """The line, without its newline, that `parse_preference_line` reads back to an equal value.

    Raises:
        ValueError: a text holds half of a surrogate pair, so it cannot be written as UTF-8; or `extra` overlaps
            the format's own keys.
    """
    if KNOWN_KEYS & value.extra.keys():
        raise ValueError("an extra key of a preference line has the name of one of the format's own keys")
    pair = value.pair
    record: dict[str, object] = {}
    if value.user_id is not None:
        record["user_id"] = value.user_id
    if value.question_id is not None:
        record["question_id"] = value.question_id
    for name, messages in (("prompt", pair.prompt), ("chosen", pair.chosen), ("rejected", pair.rejected)):
        record[name] = [{"role": message.role, "content": message.content} for message in messages]
    if pair.persona is not None:
        record["persona"] = pair.persona
    record["origin"] = pair.origin
    record.update(value.extra)
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    if not _is_encodable(text):
        raise ValueError("a preference line holds half of a surrogate pair, which cannot be written as UTF-8")
    return text


def _conversation(parsed: JsonLine) -> tuple[tuple[Message, ...], tuple[Message, ...], tuple[Message, ...]]:
    if isinstance(parsed.values["chosen"], str):
        if "prompt" not in parsed.values:
            parsed.refuse("prompt", "missing: replies given as plain strings need a prompt")
        texts = {key: parsed.values[key] for key in ("prompt", "chosen", "rejected")}
        prompt = parsed.message("prompt", "user", texts["prompt"])
        chosen = parsed.message("chosen", "assistant", texts["chosen"])
        return (prompt,), (chosen,), (parsed.message("rejected", "assistant", texts["rejected"]),)
    chosen_side, rejected_side = parsed.messages("chosen"), parsed.messages("rejected")
    if "prompt" in parsed.values:
        return parsed.messages("prompt"), chosen_side, rejected_side
    shared = 0
    while shared < min(len(chosen_side), len(rejected_side)) and chosen_side[shared] == rejected_side[shared]:
        shared += 1
    # Replies may share their first turns too: the prompt is the shared part up to its last user message.
    while shared and chosen_side[shared - 1].role != "user":
        shared -= 1
    if not shared:
        parsed.refuse("prompt", "missing, and chosen and rejected do not start with the same user message")
    return chosen_side[:shared], chosen_side[shared:], rejected_side[shared:]


def _extra(parsed: JsonLine, key: str) -> str | int:
    value = parsed.values[key]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        parsed.refuse(key, "must be a string or an integer")
    if not _is_encodable(value):
        parsed.refuse(key, "holds half of a surrogate pair, which is not text")
    return value


class _DuplicatedKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


class _ConstantError(Exception):
    pass


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise _DuplicatedKeyError(_quotable(key))
        values[key] = value
    return values


def _refuse_constant(_: str) -> NoReturn:
    raise _ConstantError


def _quotable(key: str) -> str:
    return key if _KEY_NAME.fullmatch(key) else "(a key that is not a plain name)"


def _is_encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
