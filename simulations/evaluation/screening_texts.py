"""The texts that the screens are measured on: planted sentences, which are packaged, and real text, which is not.

A planted set is a TOML file a screen in `planted/development` and in `planted/held_out`, a table a kind, a list a
language; `benign.toml` has a table a screen.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeVar, get_args

from client.screening.sensitive import SensitiveAttribute
from shared.preference_files import read_lines
from shared.preference_lines import JsonLine, parse_json_line
from simulations.population import realhumaneval

Screen = Literal["sensitive", "harmful", "injection"]
Split = Literal["development", "held_out"]
Value = TypeVar("Value")
SCREENS: tuple[Screen, ...] = get_args(Screen)
SPLITS: tuple[Split, ...] = get_args(Split)

MAX_REAL_TEXTS = 2000
"""Of one source; more are thinned evenly, in the order of the file."""

IKAT_FILE = "ikat_personas/conversations.jsonl.gz"
REALHUMANEVAL_DIRECTORY = "realhumaneval_chat"
DIALOGUE_FILES = ("synthetic_persona_chat", "topical_chat", "taskmaster4")
ADVBENCH_FILE = "advbench/harmful_behaviors.csv"


class PlantedTextsError(ValueError):
    """A packaged file of planted texts or labels is malformed. Names the file and the rule."""


@dataclass(frozen=True, kw_only=True, repr=False)
class PlantedText:
    """One sentence and what it was planted as.

    Attributes:
        kind: the value of the screen's kind, or None of a benign sentence.
        language: "english", "german", ...
    """

    screen: Screen
    split: Split
    kind: str | None
    language: str
    text: str

    def __repr__(self) -> str:
        return f"PlantedText({self.screen}, {self.split}, {self.kind}, {self.language})"


@dataclass(frozen=True, kw_only=True, repr=False)
class RealTexts:
    """Texts of one source.

    Attributes:
        source: a short name.
        screens: what they are put through.
    """

    source: str
    screens: tuple[Screen, ...]
    texts: tuple[str, ...]

    def __repr__(self) -> str:
        return f"RealTexts({self.source}, {len(self.texts)} texts)"


@dataclass(frozen=True, kw_only=True, repr=False)
class LabelledStatement:
    """A persona statement of iKAT and the attributes that a person says it reveals."""

    text: str
    revealed: frozenset[SensitiveAttribute]

    def __repr__(self) -> str:
        return f"LabelledStatement({', '.join(sorted(self.revealed)) or 'nothing'})"


def planted_texts() -> tuple[PlantedText, ...]:
    """Every planted sentence.

    Raises:
        PlantedTextsError: a file is not what it must be.
    """
    return tuple(
        PlantedText(screen=screen, split=split, kind=kind, language=language, text=text)
        for split in SPLITS
        for screen in SCREENS
        for kind, languages in (*_tables(split, screen).items(), (None, _tables(split, "benign")[screen]))
        for language, texts in languages.items()
        for text in texts
    )


def real_texts(directory: Path) -> tuple[tuple[RealTexts, ...], tuple[str, ...]]:
    """The sources that `directory` has, and the paths within it that it has not.

    Raises:
        PreferenceFileError: a file is malformed, by line and field.
        OSError: a file that is there cannot be read.
    """
    present: list[RealTexts] = []
    absent: list[str] = []
    if (directory / REALHUMANEVAL_DIRECTORY / realhumaneval.CONVERSATIONS_FILE).is_file():
        logged = realhumaneval.read_conversations(directory / REALHUMANEVAL_DIRECTORY)
        followups = [
            message.message.content
            for conversation in logged
            for before, message in zip(conversation.messages, conversation.messages[1:], strict=False)
            if before.message.role == "assistant" and message.message.role == "user"
        ]
        present.append(_thinned("realhumaneval follow-ups", ("harmful", "injection"), followups))
    else:
        absent.append(REALHUMANEVAL_DIRECTORY)
    for name in DIALOGUE_FILES:
        path = directory / "dialogue_text" / f"{name}.jsonl.gz"
        if not path.is_file():
            absent.append(f"dialogue_text/{name}.jsonl.gz")
            continue
        said = [text for lines in read_lines(path, _reader(path, _user_lines)) for text in lines]
        present.append(_thinned(f"{name} user lines", SCREENS, said))
        if name == "synthetic_persona_chat":
            stated = {text: None for lines in read_lines(path, _reader(path, _personas)) for text in lines}
            present.append(_thinned(f"{name} personas", ("sensitive",), list(stated)))
    if (directory / ADVBENCH_FILE).is_file():
        asked = _advbench(directory / ADVBENCH_FILE)
        present.append(RealTexts(source="advbench requests", screens=("harmful",), texts=asked))
    else:
        absent.append(ADVBENCH_FILE)
    return tuple(present), tuple(absent)


def labelled_statements(directory: Path) -> tuple[LabelledStatement, ...] | None:
    """iKAT's statements with the packaged labels; None where the data is not there.

    Raises:
        PreferenceFileError: the data is malformed.
        PlantedTextsError: the labels name a statement that the data has not.
        OSError: the data cannot be read.
    """
    path = directory / IKAT_FILE
    if not path.is_file():
        return None
    labels = tomllib.loads(_packaged("ikat_labels.toml"))
    personas: dict[tuple[tuple[str, str], ...], str] = {}
    for user, statements in read_lines(path, _reader(path, _ikat_persona)):
        personas.setdefault(statements, user)
    known = {f"{user}/{number}": text for statements, user in personas.items() for number, text in statements}
    named = {place for places in labels["revealed"].values() for place in places} | set(labels["debatable"])
    if not named <= known.keys():
        raise PlantedTextsError(
            f"ikat_labels.toml: {len(named - known.keys())} labelled statements are not in the data"
        )
    revealed = {
        place: frozenset(SensitiveAttribute(name) for name, places in labels["revealed"].items() if place in places)
        for place in known
    }
    left_out = {place for place in known if place.split("/")[0] in labels["read_before"]} | set(labels["debatable"])
    return tuple(
        LabelledStatement(text=text, revealed=revealed[place]) for place, text in known.items() if place not in left_out
    )


def _tables(split: Split, name: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    tables = tomllib.loads(_packaged(split, f"{name}.toml"))
    for kind, languages in tables.items():
        for language, texts in languages.items():
            if not texts or not all(isinstance(text, str) and text for text in texts) or len(set(texts)) != len(texts):
                raise PlantedTextsError(f"{split}/{name}.toml, {kind}.{language}: must be a list of distinct texts")
    return tables


def _packaged(*path: str) -> str:
    return files("simulations.evaluation").joinpath("planted", *path).read_text(encoding="utf-8")


def _thinned(source: str, screens: tuple[Screen, ...], texts: Sequence[str]) -> RealTexts:
    step = max(1, -(-len(texts) // MAX_REAL_TEXTS))
    return RealTexts(source=source, screens=screens, texts=tuple(texts[::step]))


def _reader(path: Path, read: Callable[[JsonLine], Value]) -> Callable[[str, int], Value]:
    return lambda text, number: read(parse_json_line(text, file=str(path), line=number))


def _user_lines(line: JsonLine) -> list[str]:
    messages = line.values.get("messages")
    if not isinstance(messages, list):
        line.refuse("messages", "must be a list of messages")
    texts = []
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            line.refuse(f"messages[{place}]", "must be an object with role and content")
        if message.get("role") == "user":
            texts.append(message["content"])
    return texts


def _personas(line: JsonLine) -> list[str]:
    return [text for key in ("user_persona", "assistant_persona") for text in _texts(line, key)]


def _texts(line: JsonLine, key: str) -> Iterator[str]:
    values = line.values.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        line.refuse(key, "must be a list of texts")
    yield from values


def _ikat_persona(line: JsonLine) -> tuple[str, tuple[tuple[str, str], ...]]:
    persona = line.values.get("persona")
    if not isinstance(persona, dict) or not all(isinstance(value, str) for value in persona.values()):
        line.refuse("persona", "must be an object of statements")
    return line.text("user_id"), tuple(persona.items())


def _advbench(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(not row.get("goal") for row in rows):
        raise PlantedTextsError(f"{path}: must be CSV with a column named goal")
    return tuple(row["goal"] for row in rows)
