"""WildChat-1M: what people really asked a chat model, user by user and in time order.

Rows are those of `allenai/WildChat-1M` (Zhao et al., 2024, arXiv:2405.01470; ODC-BY), as JSON lines, plain or gzip, or
as the Parquet shards that are published (which needs `pyarrow`). A row holds exactly the dataset's fourteen columns;
times are ISO 8601 (in UTC where they name no zone, as the dataset's card says) or milliseconds since 1970, which is
how `datasets` exports them.

**Who a user is.** The dataset knows no accounts. Here a user is one `hashed_ip` together with the two request headers
that the card recommends for linking conversations (`accept-language`, `user-agent`), or the `hashed_ip` alone. Either
is a guess: people behind one router with the same browser are one user, and whoever moves or updates a browser becomes
another. Only a keyed digest (HMAC-SHA-256) of it leaves this module: without the salt, a user id alone leads back to no
row of the published dataset. Conversation ids and texts do: they are the dataset's own.

**When a conversation began.** A user's message has no time. `Conversation.started` is when the first reply was
complete, or, where no message has a time, the row's own: when the last one was.

Everything that passes the filters is held in memory. RLHI (arXiv:2509.25137) trains on such conversations after
having every reply written again: `simulations.population.wildllamachat`.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from shared.conversation import Conversation, Message
from shared.preference_files import read_lines
from shared.preference_lines import JsonLine, parse_json_line
from simulations.population.conversation_log import ConversationLog, in_time_order
from simulations.population.parquet_rows import read_parquet_rows
from simulations.population.record_fields import flag, integer, items, moment, optional_string, record, string

NAME = "wildchat-1m"
SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")

LeftOut = Literal[
    "toxic",
    "redacted",
    "in another language",
    "roles that are not user and assistant in turn",
    "a message without any text",
    "no hashed address",
    "the same turns of the same user again",
    "of a user with too few conversations",
]
REASONS: tuple[LeftOut, ...] = get_args(LeftOut)

UserKey = Literal["address and header", "address"]

MINIMUM_SALT_BYTES = 16
MAX_ROW_BYTES = 64 * 2**20  # the longest conversations carry megabytes of moderation scores

_USED = frozenset(
    {"conversation_hash", "model", "timestamp", "conversation", "turn", "language", "toxic", "redacted", "hashed_ip"}
    | {"header"}
)
COLUMNS = _USED | {"openai_moderation", "detoxify_moderation", "state", "country"}
_TURN_KEYS = frozenset(
    {"content", "country", "hashed_ip", "header", "language", "redacted", "role", "state", "timestamp", "toxic"}
    | {"turn_identifier"}
)
_HEADER_KEYS = ("accept-language", "user-agent")


class WildChatError(ValueError):
    """A path holds no WildChat rows. The message names it."""


@dataclass(frozen=True, kw_only=True)
class WildChatFilter:
    """Which conversations are kept. A row is counted under the first reason, in the order of `REASONS`, that drops it.

    Attributes:
        minimum_conversations: users with fewer kept conversations than this are dropped; at least 1.
        language: the row's most frequent language as the dataset names it ("English"), or None for all.
        keep_toxic, keep_redacted: keep rows that OpenAI's moderation or Detoxify flagged, or in which the dataset's
            authors replaced personal data.
    """

    minimum_conversations: int = 1
    language: str | None = None
    keep_toxic: bool = False
    keep_redacted: bool = False

    def __post_init__(self) -> None:
        if self.minimum_conversations < 1:
            raise ValueError("minimum_conversations must be at least 1")


@dataclass(frozen=True, kw_only=True, repr=False)
class _Row:
    """A row that passed: whose it is, and the conversation."""

    user_id: str
    conversation: Conversation


def load_wildchat(
    paths: Sequence[Path],
    *,
    salt: bytes,
    keep: WildChatFilter | None = None,
    keyed_by: UserKey = "address and header",
) -> ConversationLog:
    """The users of some or all of WildChat's rows, with their conversations.

    Args:
        paths: files, or directories of which every file with one of `SUFFIXES` is read, sorted by name.
        salt: the key of the digest that users are known by, at least `MINIMUM_SALT_BYTES` long. The same salt gives the
            same user ids; keep it as secret as the link back to the published dataset should be.
        keep: which rows; None keeps all that is neither toxic nor redacted.
        keyed_by: what tells users apart (see above).

    Raises:
        PreferenceFileError: malformed rows of one file, by file, line (in Parquet: row) and field.
        ParquetUnavailableError: a Parquet file, and `pyarrow` is not installed.
        WildChatError: a directory without any such file, a file of another kind.
        ValueError: a salt that is too short.
        OSError: a file cannot be read.
    """
    if len(salt) < MINIMUM_SALT_BYTES:
        raise ValueError(f"the salt must hold at least {MINIMUM_SALT_BYTES} bytes")
    keep = keep or WildChatFilter()
    outcomes: Counter[LeftOut] = Counter()
    by_user: dict[str, list[Conversation]] = {}
    seen: set[tuple[str, str]] = set()
    rows = 0
    for path in _files(paths):
        for row in _read(path, salt, keep, keyed_by):
            rows += 1
            if not isinstance(row, _Row):
                outcomes[row] += 1
            elif (place := (row.user_id, row.conversation.conversation_id)) in seen:
                outcomes["the same turns of the same user again"] += 1
            else:
                seen.add(place)
                by_user.setdefault(row.user_id, []).append(row.conversation)
    users = len(by_user)
    for user_id in [user for user, logged in by_user.items() if len(logged) < keep.minimum_conversations]:
        outcomes["of a user with too few conversations"] += len(by_user.pop(user_id))
    return ConversationLog(
        name=NAME,
        users=tuple(in_time_order(user_id, conversations) for user_id, conversations in by_user.items()),
        left_out={reason: outcomes[reason] for reason in REASONS},
        read={"rows": rows, "users": users, "users with too few conversations": users - len(by_user)},
    )


def user_digest(salt: bytes, *, hashed_ip: str, headers: Sequence[str]) -> str:
    """The name a user is known by: HMAC-SHA-256 of the parts, each with its length in front, 128 bits in hex."""
    parts = [part.encode() for part in (hashed_ip, *headers)]
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(salt, message, "sha256")[:16].hex()


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            if not path.name.endswith(SUFFIXES):
                raise WildChatError(f"{path}: a WildChat file's name must end in one of {', '.join(SUFFIXES)}")
            yield path
            continue
        inside = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES))
        if not inside:
            raise WildChatError(f"{path}: holds no file that ends in one of {', '.join(SUFFIXES)}")
        yield from inside


def _read(path: Path, salt: bytes, keep: WildChatFilter, keyed_by: UserKey) -> tuple[_Row | LeftOut, ...]:
    if path.name.endswith(".parquet"):
        return read_parquet_rows(
            path, lambda line: _parse_row(line, salt, keep, keyed_by), columns=COLUMNS, read=sorted(_USED)
        )

    def parse(text: str, number: int) -> _Row | LeftOut:
        line = parse_json_line(text, file=str(path), line=number)
        line.check_keys(required=COLUMNS, optional=())
        for key in ("openai_moderation", "detoxify_moderation"):
            items(line, key, line.values[key])
        for key in ("state", "country"):
            optional_string(line, key, line.values[key])
        return _parse_row(line, salt, keep, keyed_by)

    return read_lines(path, parse, max_line_bytes=MAX_ROW_BYTES)


def _parse_row(line: JsonLine, salt: bytes, keep: WildChatFilter, keyed_by: UserKey) -> _Row | LeftOut:
    """Checks the whole row before any filter looks at it: what is malformed is an error, filtered or not."""
    conversation_hash = line.text("conversation_hash")
    line.text("model")
    line.integer("turn", minimum=0)
    language = line.text("language")
    toxic, redacted = (flag(line, key, line.values[key]) for key in ("toxic", "redacted"))
    ended = moment(line, "timestamp", line.values["timestamp"])
    address = optional_string(line, "hashed_ip", line.values["hashed_ip"])
    headers = _headers(line, "header", line.values["header"])
    turns = [
        _parse_turn(line, f"conversation[{place}]", turn)
        for place, turn in enumerate(items(line, "conversation", line.values["conversation"]))
    ]
    if not turns:
        line.refuse("conversation", "must hold a message")
    if (toxic or any(turn.toxic for turn in turns)) and not keep.keep_toxic:
        return "toxic"
    if (redacted or any(turn.redacted for turn in turns)) and not keep.keep_redacted:
        return "redacted"
    if keep.language is not None and language != keep.language:
        return "in another language"
    if [turn.role for turn in turns] != ["user", "assistant"] * (len(turns) // 2):
        return "roles that are not user and assistant in turn"
    if not all(turn.content.strip() for turn in turns):
        return "a message without any text"
    if not address:
        return "no hashed address"
    times = [turn.time for turn in turns if turn.time is not None]
    user_id = user_digest(salt, hashed_ip=address, headers=headers if keyed_by == "address and header" else ())
    return _Row(
        user_id=user_id,
        conversation=Conversation(
            # The hash is of the content, so two conversations may share it; turn identifiers are unique.
            conversation_id=f"{conversation_hash}-{turns[0].identifier}-{turns[-1].identifier}",
            messages=tuple(
                Message(role="assistant" if place % 2 else "user", content=turn.content)
                for place, turn in enumerate(turns)
            ),
            started=min(times, default=ended),
        ),
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class _Turn:
    """One utterance as read; `role` is any string, because a row with other roles is filtered and not an error."""

    role: str
    content: str
    toxic: bool
    redacted: bool
    time: datetime | None
    identifier: int


def _parse_turn(line: JsonLine, where: str, value: object) -> _Turn:
    turn = record(line, where, value, required=_TURN_KEYS)
    for key in ("country", "hashed_ip", "language", "state"):
        optional_string(line, f"{where}.{key}", turn[key])
    _headers(line, f"{where}.header", turn["header"])
    time = turn["timestamp"]
    return _Turn(
        role=string(line, f"{where}.role", turn["role"]),
        content=string(line, f"{where}.content", turn["content"]),
        toxic=flag(line, f"{where}.toxic", turn["toxic"]),
        redacted=flag(line, f"{where}.redacted", turn["redacted"]),
        time=None if time is None else moment(line, f"{where}.timestamp", time),
        identifier=integer(line, f"{where}.turn_identifier", turn["turn_identifier"]),
    )


def _headers(line: JsonLine, key: str, value: object) -> tuple[str, ...]:
    """The headers' values in the order of `_HEADER_KEYS`, empty where they are null."""
    if value is None:
        return ("",) * len(_HEADER_KEYS)
    header = record(line, key, value, required=_HEADER_KEYS)
    return tuple(optional_string(line, f"{key}.{name}", header[name]) for name in _HEADER_KEYS)
