r"""A small language for rules, so that tables of them can be read; compiled to bounded regular expressions.

A table is text: phrases apart by a semicolon or a new line, `#` begins a comment. A phrase is words apart by spaces:

    asthma          the word
    diabet*         words that begin so;  *krebs* words that hold it
    is|was          either word;  hide|get_rid_of  an alternative of several words
    the?            the word, or nothing; not in the first place
    ~3              up to three words between (in Japanese: up to three characters)
    {how}           any phrase of the set of that name

Both the phrase and the text are folded (`client.screening.folding`). A phrase never crosses the end of a sentence, and
never begins or ends inside a word. Japanese, which does not set words apart, is found anywhere.

Every repetition is bounded, so that a search takes time linear in the text, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from client.screening.folding import fold_words

_REST_OF_WORD = r"\w{0,30}"
_ANY_WORD = r"(?:\w{1,30} )"
_END = r"\b"

_JAPANESE = re.compile("[\u3040-\u30ff\u3400-\u9fff々]")
_ARABIC = re.compile("[\u0600-\u06ff]")
_SET = re.compile(r"\{(\w+)\}")
_MISPLACED = re.compile(r"\?.|[^|]\*[^|?]|[~{}].*\||.[~{]|\}[^?]")

# A phrase that may begin with many words is written once for each, unless that makes an expression longer than this.
_WRITTEN_OUT = 400


class PhraseError(ValueError):
    """A table of rules is malformed. Names the phrase, which is the program's own text and nobody's."""


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """A compiled table.

    Attributes:
        common: patterns that any text is searched for.
        foreign: patterns that only a text with other letters than ASCII can hold.
    """

    common: tuple[re.Pattern[str], ...]
    foreign: tuple[re.Pattern[str], ...]

    def found_in(self, words: str) -> bool:
        """Whether a phrase is in a text that `fold_words` has folded."""
        return any(pattern.search(words) is not None for pattern in self._patterns_for(words))

    def taken_out(self, words: str) -> str:
        """The text with every phrase that is found replaced by a mark that is no word."""
        for pattern in self._patterns_for(words):
            words = pattern.sub("\N{BULLET}", words)
        return words

    def _patterns_for(self, words: str) -> tuple[re.Pattern[str], ...]:
        return self.common if words.isascii() else self.common + self.foreign


def compile_phrases(*tables: str, sets: Mapping[str, str] | None = None) -> Phrases:
    """Compile tables.

    Args:
        tables: see the module.
        sets: name → a table whose phrases stand for `{name}`; a set may use sets named before it.

    Raises:
        PhraseError: an unknown set, a phrase that holds no word, or one that the language cannot say.
    """
    named: dict[str, tuple[str, ...]] = {}
    for name, table in (sets or {}).items():
        named[name] = tuple(written for phrase in _phrases(table) for written in _written_out(phrase, named))
    words: list[list[str]] = []
    parts_of_words: list[list[str]] = []
    arabic: list[list[str]] = []
    japanese: list[list[str]] = []
    for phrase in (phrase for table in tables for phrase in _phrases(table)):
        if _JAPANESE.search(phrase + "".join(_choices(phrase.split(" ")[0], named))):
            japanese.append(_japanese_atoms(phrase, named))
            continue
        firsts, rest = _begun(phrase, named)
        parts_of_words += [[*_atoms(first[1:], {}), *rest] for first in firsts if first.startswith("*")]
        others = [_atoms(first, {}) for first in firsts if not first.startswith("*")]
        in_script = arabic if _ARABIC.match(phrase) or _ARABIC.match(firsts[0]) else words
        if len(others) * len("".join(rest)) > _WRITTEN_OUT:
            in_script.append([_alternatives(others), *rest])
        else:
            in_script += [[*first, *rest] for first in others]
    return Phrases(
        common=_compiled((r"\b", words), ("", parts_of_words)),
        foreign=_compiled((r"\b", arabic), ("", japanese)),
    )


def _compiled(*lists: tuple[str, list[list[str]]]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(start + _alternatives(phrases)) for start, phrases in lists if phrases)


def _phrases(table: str) -> Iterator[str]:
    for line in table.splitlines():
        for phrase in line.split("#")[0].split(";"):
            words = " ".join(" ".join(part if part[0] in "~{" else _fold(part) for part in phrase.split()).split())
            if any(_MISPLACED.search(place) for place in words.split()):
                raise PhraseError(f"a sign of the language stands inside a word: {phrase.strip()!r}")
            if words:
                yield words


def _fold(part: str) -> str:
    # The signs of the language are not words, so they are kept from the fold.
    folded = "".join(piece if piece in "*|?_" else _fold_piece(piece) for piece in re.split(r"([*|?_])", part))
    return folded.replace(" ", "_") if "|" in folded else folded


def _fold_piece(piece: str) -> str:
    if "{" in piece or "~" in piece:
        raise PhraseError(f"a set or a distance must stand alone, not in {piece!r}")
    return fold_words(piece).replace("\n", " ")


def _choices(place: str, named: Mapping[str, Sequence[str]]) -> list[str]:
    """What may stand in one place of a phrase; the empty string where it may be left out."""
    found = _SET.fullmatch(place.removesuffix("?"))
    if place.startswith("~"):
        return [place]
    if found and found[1] not in named:
        raise PhraseError(f"there is no set named {found[1]!r}")
    choices = list(named[found[1]]) if found else place.removesuffix("?").replace("_", " ").split("|")
    return [*choices, ""] if place.endswith("?") else choices


def _begun(phrase: str, named: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """The words that the phrase may begin with, and what follows them as atoms."""
    first, _, rest = phrase.partition(" ")
    choices = _choices(first, named)
    if "" in choices or any(choice.startswith("~") for choice in choices):
        raise PhraseError(f"a phrase must begin with a word: {phrase!r}")
    return choices, _places(rest.split(), named)


def _written_out(phrase: str, named: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The phrase once for each way to say it."""
    for chosen in product(*(_choices(place, named) for place in phrase.split(" "))):
        words = " ".join(word for word in chosen if word)
        if not words or words.startswith("~"):
            raise PhraseError(f"a phrase must begin with a word: {phrase!r}")
        yield words


def _atoms(phrase: str, named: Mapping[str, Sequence[str]]) -> list[str]:
    """The phrase as expressions that follow one another: single letters of its first word, then the places."""
    first, *places = phrase.split(" ")
    return [*map(re.escape, first.rstrip("*")), _ending(first), *_places(places, named)]


def _places(places: Sequence[str], named: Mapping[str, Sequence[str]]) -> list[str]:
    atoms: list[str] = []
    skipped = ""
    for place in places:
        if place.startswith("~"):
            skipped = f"{_ANY_WORD}{{0,{_distance(place)}}}"
            continue
        choices = [_later_atoms(choice) for choice in _choices(place, named) if choice]
        if place.endswith("?"):
            atoms.append(f"(?: {skipped}{_alternatives(choices)})?")
        elif skipped or len(choices) > 1:
            atoms.append(f" {skipped}{_alternatives(choices)}")
        else:
            atoms += [" ", *choices[0]]
        skipped = ""
    if skipped:
        raise PhraseError(f"a phrase must end with a word: {' '.join(places)!r}")
    return atoms


def _later_atoms(words: str) -> list[str]:
    start = [_REST_OF_WORD] if words.startswith("*") else []
    return [*start, *_atoms(words.removeprefix("*"), {})]


def _ending(word: str) -> str:
    return _REST_OF_WORD if word.endswith("*") else _END


def _japanese_atoms(phrase: str, named: Mapping[str, Sequence[str]]) -> list[str]:
    first, *places = phrase.split(" ")
    atoms = [_alternatives([[*map(re.escape, choice)] for choice in _choices(first, named)])]
    for place in places:
        if place.startswith("~"):
            atoms.append(rf"[^\n]{{0,{_distance(place)}}}")
            continue
        choices = [[*map(re.escape, choice.replace(" ", ""))] for choice in _choices(place, named) if choice]
        atoms.append(f"(?:{_alternatives(choices)})?" if place.endswith("?") else _alternatives(choices))
    return atoms


def _distance(place: str) -> int:
    if not place[1:].isdigit():
        raise PhraseError(f"a distance is ~ and a number, not {place!r}")
    return int(place[1:])


def _alternatives(alternatives: Sequence[Sequence[str]]) -> str:
    """One expression that matches any of them, with common beginnings tried once."""
    branches: dict[str, list[Sequence[str]]] = {}
    for atoms in alternatives:
        if atoms:
            branches.setdefault(atoms[0], []).append(atoms[1:])
    if not branches:
        return ""
    parts = [first + _alternatives(rest) for first, rest in branches.items()]
    if any(not atoms for atoms in alternatives):  # one of them is the beginning of the others
        return f"(?:{'|'.join(parts)})?"
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
