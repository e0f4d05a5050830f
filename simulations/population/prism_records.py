"""The three files of PRISM as values: participants, conversations with every scored reply, and the long-format table.

Column by column as the dataset's code book lists them. The files were written by `json.dumps` from a data frame, which
writes a missing number as `NaN`; that is no JSON, and is read as null here.

Kirk et al., 2024, arXiv:2404.16019 (`HannahRoseKirk/prism-alignment`; people's texts CC-BY-4.0, models' CC-BY-NC-4.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from shared.preference_files import read_lines
from shared.preference_lines import JsonLine, parse_json_line
from simulations.population.record_fields import flag, integer, items, moment, number, optional_string, record, string

SURVEY_FILE = "survey.jsonl"
CONVERSATIONS_FILE = "conversations.jsonl"
UTTERANCES_FILE = "utterances.jsonl"

NO_TEXT = "EMPTY STRING"  # what the dataset's authors wrote for a text that was empty

ATTRIBUTES = ("values", "fluency", "factuality", "safety", "diversity", "creativity", "helpfulness")
STATED_PREFERENCES = (*ATTRIBUTES, "personalisation", "other")

_SURVEY_KEYS = frozenset(
    {"user_id", "survey_only", "num_completed_conversations", "included_in_balanced_subset", "study_id", "study_locale"}
    | {"timing_duration_s", "timing_duration_mins", "generated_datetime", "consent", "consent_age", "lm_familiarity"}
    | {"lm_indirect_use", "lm_direct_use", "lm_frequency_use", "lm_usecases", "order_lm_usecases", "stated_prefs"}
    | {"order_stated_prefs", "self_description", "system_string", "age", "gender", "employment_status", "education"}
    | {"marital_status", "english_proficiency", "religion", "ethnicity", "location"}
    | {"included_in_US_REP", "included_in_UK_REP"}
)
_CONVERSATION_KEYS = frozenset(
    {"conversation_id", "user_id", "included_in_balanced_subset", "generated_datetime", "timing_duration_s"}
    | {"timing_duration_mins", "conversation_type", "opening_prompt", "conversation_turns", "conversation_history"}
    | {"performance_attributes", "choice_attributes", "open_feedback"}
)
_UTTERANCE_KEYS = frozenset(
    {"utterance_id", "interaction_id", "conversation_id", "user_id", "turn", "within_turn_id", "conversation_type"}
    | {"included_in_balanced_subset", "user_prompt", "model_response", "model_name", "model_provider", "score"}
    | {"if_chosen"}
)
_SAID_KEYS = ("turn", "role", "content")
_REPLY_KEYS = ("model_name", "model_provider", "score", "if_chosen", "within_turn_id")
_CONVERSATION_TYPES = ("unguided", "values guided", "controversy guided")

# A string, kept as it is, or a bare NaN.
_STRING_OR_NAN = re.compile(r'"(?:[^"\\]|\\.)*"|\bNaN\b')


@dataclass(frozen=True, kw_only=True, repr=False)
class Participant:
    """One row of the survey. What people told of themselves is special: see `simulations.population.prism`.

    Attributes:
        survey_only: took no part in conversations.
        self_description: values and beliefs, in the participant's words; may be empty.
        system_string: how an assistant should behave, in the participant's words; may be empty.
        stated_preferences: attribute → importance from 0 to 100; attributes that were not rated are absent.
    """

    user_id: str
    survey_only: bool
    self_description: str
    system_string: str
    stated_preferences: Mapping[str, float]

    def __repr__(self) -> str:
        return f"Participant({len(self.stated_preferences)} stated preferences)"


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoredReply:
    """A model's reply and what the participant made of it.

    Attributes:
        within_turn_id: tells the replies of a turn apart.
        score: 1 to 100, as the slider stood.
        chosen: whether the conversation went on from this text; a later turn may hold the chosen text twice.
    """

    within_turn_id: str
    content: str
    score: float
    chosen: bool


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoredTurn:
    """A participant's message and the replies that it got, in the order of the file."""

    content: str
    replies: tuple[ScoredReply, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoredConversation:
    """One row of the conversations; `started` is its recorded end minus its duration, taken as UTC."""

    conversation_id: str
    user_id: str
    started: datetime
    turns: tuple[ScoredTurn, ...]


def read_participants(directory: Path) -> Mapping[str, Participant]:
    """User id → participant, in the order of the file. Errors as `simulations.population.prism.load_prism` has them."""
    path = directory / SURVEY_FILE
    found: dict[str, Participant] = {}

    def parse(text: str, place: int) -> None:
        participant = _parse_participant(line := _line(text, path, place))
        if participant.user_id in found:
            line.refuse("user_id", "stands twice")
        found[participant.user_id] = participant

    read_lines(path, parse)
    return found


def read_scored_conversations(
    directory: Path, participants: Mapping[str, Participant]
) -> Mapping[str, ScoredConversation]:
    """Conversation id → conversation, in the order of the file. Every one must be of a participant."""
    path = directory / CONVERSATIONS_FILE
    found: dict[str, ScoredConversation] = {}

    def parse(text: str, place: int) -> None:
        conversation = _parse_conversation(line := _line(text, path, place))
        if conversation.conversation_id in found:
            line.refuse("conversation_id", "stands twice")
        if conversation.user_id not in participants:
            line.refuse("user_id", f"is not in {SURVEY_FILE}")
        found[conversation.conversation_id] = conversation

    read_lines(path, parse)
    return found


def check_utterances(directory: Path, conversations: Mapping[str, ScoredConversation]) -> int:
    """How many rows the long-format file has. Each must say of its reply what the conversation says of it."""
    path = directory / UTTERANCES_FILE
    return len(read_lines(path, lambda text, place: _check_utterance(_line(text, path, place), conversations)))


def _line(text: str, path: Path, place: int) -> JsonLine:
    if "NaN" in text:
        text = _STRING_OR_NAN.sub(lambda found: "null" if found[0] == "NaN" else found[0], text)
    return parse_json_line(text, file=str(path), line=place)


def _parse_participant(line: JsonLine) -> Participant:
    line.check_keys(required=_SURVEY_KEYS, optional=())
    stated = record(
        line, "stated_prefs", line.values["stated_prefs"], required=STATED_PREFERENCES, optional=("other_text",)
    )
    optional_string(line, "stated_prefs.other_text", stated.get("other_text"))
    return Participant(
        user_id=line.text("user_id"),
        survey_only=flag(line, "survey_only", line.values["survey_only"]),
        self_description=_text(line, "self_description", line.values["self_description"]),
        system_string=_text(line, "system_string", line.values["system_string"]),
        stated_preferences={
            name: number(line, f"stated_prefs.{name}", stated[name], minimum=0, maximum=100)
            for name in STATED_PREFERENCES
            if stated[name] is not None
        },
    )


def _parse_conversation(line: JsonLine) -> ScoredConversation:
    line.check_keys(required=_CONVERSATION_KEYS, optional=())
    if line.text("conversation_type") not in _CONVERSATION_TYPES:
        line.refuse("conversation_type", f"must be one of {', '.join(_CONVERSATION_TYPES)}")
    for key in ("performance_attributes", "choice_attributes"):
        rated = record(line, key, line.values[key], required=(), optional=ATTRIBUTES)
        for name, value in rated.items():
            if value is not None:
                number(line, f"{key}.{name}", value, minimum=0, maximum=100)
    optional_string(line, "open_feedback", line.values["open_feedback"])
    string(line, "opening_prompt", line.values["opening_prompt"])
    turns = _parse_history(line, items(line, "conversation_history", line.values["conversation_history"]))
    if line.integer("conversation_turns", minimum=1) != len(turns):
        line.refuse("conversation_turns", f"is not the number of turns in conversation_history, {len(turns)}")
    seconds = line.values["timing_duration_s"]
    lasted = 0.0 if seconds is None else number(line, "timing_duration_s", seconds, minimum=0, maximum=1e9)
    return ScoredConversation(
        conversation_id=line.text("conversation_id"),
        user_id=line.text("user_id"),
        started=moment(line, "generated_datetime", line.values["generated_datetime"]) - timedelta(seconds=lasted),
        turns=turns,
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class _Entry:
    turn: int
    said: str | None
    reply: ScoredReply | None


def _parse_history(line: JsonLine, history: list[object]) -> tuple[ScoredTurn, ...]:
    entries = [_parse_entry(line, f"conversation_history[{place}]", entry) for place, entry in enumerate(history)]
    turns: list[ScoredTurn] = []
    for turn, group in groupby(entries, key=lambda entry: entry.turn):
        first, *rest = group
        if turn != len(turns):
            line.refuse("conversation_history", "turns must count up from 0")
        if first.said is None or any(entry.reply is None for entry in rest):
            line.refuse("conversation_history", f"turn {turn} must be one user message and then replies")
        turns.append(
            ScoredTurn(content=first.said, replies=tuple(entry.reply for entry in rest if entry.reply is not None))
        )
    return tuple(turns)


def _parse_entry(line: JsonLine, where: str, value: object) -> _Entry:
    entry = record(line, where, value, required=_SAID_KEYS, optional=_REPLY_KEYS)
    turn = integer(line, f"{where}.turn", entry["turn"])
    content = _text(line, f"{where}.content", entry["content"])
    if entry["role"] == "user":
        return _Entry(turn=turn, said=content, reply=None)
    if entry["role"] != "model":
        line.refuse(f"{where}.role", "must be user or model")
    for key in _REPLY_KEYS:
        if key not in entry:
            line.refuse(f"{where}.{key}", "missing")
    for key in ("model_name", "model_provider"):
        string(line, f"{where}.{key}", entry[key])
    reply = ScoredReply(
        within_turn_id=_identifier(line, f"{where}.within_turn_id", entry["within_turn_id"]),
        content=content,
        score=number(line, f"{where}.score", entry["score"], minimum=0, maximum=100),
        chosen=flag(line, f"{where}.if_chosen", entry["if_chosen"]),
    )
    return _Entry(turn=turn, said=None, reply=reply)


def _check_utterance(line: JsonLine, conversations: Mapping[str, ScoredConversation]) -> None:
    line.check_keys(required=_UTTERANCE_KEYS, optional=())
    for key in ("utterance_id", "interaction_id", "conversation_type", "model_name", "model_provider"):
        line.text(key)
    conversation = conversations.get(line.text("conversation_id"))
    if conversation is None:
        line.refuse("conversation_id", f"is not in {CONVERSATIONS_FILE}")
    turn = line.integer("turn", minimum=0)
    if turn >= len(conversation.turns):
        line.refuse("turn", f"is not in {CONVERSATIONS_FILE}")
    scored = conversation.turns[turn]
    within = _identifier(line, "within_turn_id", line.values["within_turn_id"])
    reply = next((reply for reply in scored.replies if reply.within_turn_id == within), None)
    if reply is None:
        line.refuse("within_turn_id", f"is not in {CONVERSATIONS_FILE}")
    said = {
        "user_id": line.text("user_id") == conversation.user_id,
        "user_prompt": _text(line, "user_prompt", line.values["user_prompt"]) == scored.content,
        "model_response": _text(line, "model_response", line.values["model_response"]) == reply.content,
        "score": number(line, "score", line.values["score"], minimum=0, maximum=100) == reply.score,
        "if_chosen": flag(line, "if_chosen", line.values["if_chosen"]) == reply.chosen,
    }
    for key, agrees in said.items():
        if not agrees:
            line.refuse(key, f"is not what {CONVERSATIONS_FILE} says")


def _text(line: JsonLine, key: str, value: object) -> str:
    """A text, empty where the dataset's authors wrote that it was."""
    found = string(line, key, value)
    return "" if found == NO_TEXT else found


def _identifier(line: JsonLine, key: str, value: object) -> str:
    if isinstance(value, str) and value.strip():
        return string(line, key, value)
    return str(integer(line, key, value))
