"""What the screens catch and what they stop by mistake: planted sentences, labelled statements, real text.

Three screens of `client.screening`: sensitive attributes in persona statements, harm, injected instructions.

How to read the figures:

- *Planted, held out*: written before the rules, and neither opened nor used while the rules were written or changed.
  But one hand wrote both, with the same idea of what such sentences look like, so this recall is an upper bound, and a
  check that a later change breaks nothing. It is no estimate of recall on what strangers write.
- *Planted, development*: the rules were changed until they found (nearly) all.
- *Labelled*: statements of iKAT's personas, written by others, labelled by hand without seeing what the rules say of
  them, after the rules were fixed. This is the better estimate, of one screen, from a few dozen revealing statements.
- *AdvBench* (where the file is there): requests that others wrote. Half of them, told by a hash of the text, were
  read while the rules were written and half were not; the second half is the better estimate for harm. AdvBench asks
  for more kinds of harm than the screen has (misinformation, spam).
- *Real text*: shares that are flagged, rightly or not. Of programmers' follow-ups, nearly every flag is a false alarm.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from client.screening.harmful import harmful
from client.screening.injection import injection_signs
from client.screening.sensitive import SensitiveAttribute, sensitive_attributes
from simulations.evaluation.screening_texts import (
    IKAT_FILE,
    SCREENS,
    SPLITS,
    LabelledStatement,
    PlantedText,
    RealTexts,
    Screen,
    Split,
    labelled_statements,
    planted_texts,
    real_texts,
)

_SCREENS: Mapping[Screen, Callable[[str], frozenset[str]]] = {
    "sensitive": lambda text: frozenset(map(str, sensitive_attributes(text))),
    "harmful": lambda text: frozenset(map(str, harmful(text))),
    "injection": lambda text: frozenset(map(str, injection_signs(text))),
}
_LANGUAGES = ("english", "german", "japanese", "arabic", "spanish", "french")


@dataclass(frozen=True, kw_only=True)
class PlantedCount:
    """Planted sentences of one kind, split and language.

    Attributes:
        kind: None of benign sentences.
        planted: how many there are.
        found: how many of them the screen names that kind of; of benign sentences, any kind of.
    """

    screen: Screen
    split: Split
    kind: str | None
    language: str
    planted: int
    found: int


@dataclass(frozen=True, kw_only=True)
class RealTextCount:
    """One screen on one source.

    Attributes:
        texts: how many were screened.
        flagged: how many show any kind.
        kinds: kind → how many show it.
    """

    source: str
    screen: Screen
    texts: int
    flagged: int
    kinds: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class LabelledCount:
    """Labelled statements under one attribute, or under any (`attribute` None)."""

    attribute: str | None
    statements: int
    revealing: int
    found: int
    false_alarms: int


@dataclass(frozen=True, kw_only=True)
class ScreeningMeasures:
    """Everything measured; counts only, no text.

    Attributes:
        planted: of planted sentences, the benign among them.
        real: of real text; empty without a directory.
        labelled: of iKAT's statements; empty where they are not there.
        absent: what a given directory lacks.
    """

    ROW_HEADINGS: ClassVar[tuple[str, ...]] = ("screen", "what", "all", *_LANGUAGES, "development")

    planted: tuple[PlantedCount, ...]
    real: tuple[RealTextCount, ...]
    labelled: tuple[LabelledCount, ...]
    absent: tuple[str, ...]

    def share(
        self,
        screen: Screen,
        split: Split,
        *,
        kind: str | None = None,
        language: str | None = None,
        benign: bool = False,
    ) -> float:
        """Of planted sentences: recall, over all kinds or one; or with `benign`, the false-positive rate.

        Raises:
            ZeroDivisionError: there are no such sentences.
        """
        chosen = self._chosen(screen, split, kind=kind, language=language, benign=benign)
        return sum(count.found for count in chosen) / sum(count.planted for count in chosen)

    def rows(self) -> list[tuple[str, ...]]:
        """Under `ROW_HEADINGS`: found/all of the held-out sentences by language, and of the development ones."""
        rows: list[tuple[str, ...]] = []
        for screen in SCREENS:
            for kind in dict.fromkeys(count.kind for count in self.planted if count.screen == screen):
                benign = kind is None
                cells = [
                    _shown(self._chosen(screen, "held_out", kind=kind, language=language, benign=benign))
                    for language in (None, *_LANGUAGES)
                ]
                trained = _shown(self._chosen(screen, "development", kind=kind, benign=benign))
                rows.append((screen, kind or "benign: false alarms", *cells, trained))
        blank = ("",) * (len(_LANGUAGES) + 1)
        for label in self.labelled:
            found, alarms = f"{label.found}/{label.revealing}", label.statements - label.revealing
            what = f"iKAT, labelled: {label.attribute or 'anything'}"
            rows.append(("sensitive", what, found, *blank))
            if label.attribute is None:
                rows.append(("sensitive", "iKAT, labelled: false alarms", f"{label.false_alarms}/{alarms}", *blank))
        rows += [(real.screen, f"{real.source}: flagged", f"{real.flagged}/{real.texts}", *blank) for real in self.real]
        return rows

    def to_json(self) -> dict[str, object]:
        """Counts, and the shares that are worth stating."""
        return {
            "planted": [asdict(count) for count in self.planted],
            "real": [asdict(count) for count in self.real],
            "labelled": [asdict(count) for count in self.labelled],
            "absent": list(self.absent),
            "shares": {
                screen: {
                    split: {
                        "recall": self.share(screen, split),
                        "benign_flagged": self.share(screen, split, benign=True),
                    }
                    for split in SPLITS
                }
                for screen in SCREENS
            },
        }

    def _chosen(
        self,
        screen: Screen,
        split: Split,
        *,
        kind: str | None = None,
        language: str | None = None,
        benign: bool = False,
    ) -> list[PlantedCount]:
        return [
            count
            for count in self.planted
            if (count.screen, count.split, count.kind is None) == (screen, split, benign)
            and kind in (None, count.kind)
            and language in (None, count.language)
        ]


def measure_screening(data_directory: Path | None = None) -> ScreeningMeasures:
    """Run every screen on the planted sentences, and on the real text that `data_directory` has.

    Args:
        data_directory: holds `ikat_personas/`, `realhumaneval_chat/`, `dialogue_text/`, `advbench/` or some of them;
            None measures planted sentences only.

    Raises:
        PlantedTextsError: packaged texts or labels are malformed, or do not fit the data.
        PreferenceFileError: a data file is malformed.
        OSError: a data file cannot be read.
    """
    real: tuple[RealTexts, ...] = ()
    absent: tuple[str, ...] = ()
    labelled: tuple[LabelledStatement, ...] | None = None
    if data_directory is not None:
        real, absent = real_texts(data_directory)
        labelled = labelled_statements(data_directory)
        absent = absent if labelled is not None else (*absent, IKAT_FILE)
    return ScreeningMeasures(
        planted=_count_planted(planted_texts()),
        real=tuple(count for texts in real for count in _count_real(texts)),
        labelled=() if labelled is None else tuple(_count_labelled(labelled)),
        absent=absent,
    )


def was_read(text: str) -> bool:
    """Whether a text of a public set is of the half that was read while the rules were written."""
    return hashlib.sha256(text.encode()).digest()[0] % 2 == 1


def _count_planted(texts: Iterable[PlantedText]) -> tuple[PlantedCount, ...]:
    planted: Counter[tuple[Screen, Split, str | None, str]] = Counter()
    found: Counter[tuple[Screen, Split, str | None, str]] = Counter()
    for text in texts:
        place = (text.screen, text.split, text.kind, text.language)
        planted[place] += 1
        named = _SCREENS[text.screen](text.text)
        found[place] += bool(named) if text.kind is None else text.kind in named
    return tuple(
        PlantedCount(
            screen=place[0], split=place[1], kind=place[2], language=place[3], planted=count, found=found[place]
        )
        for place, count in planted.items()
    )


def _count_real(texts: RealTexts) -> Iterable[RealTextCount]:
    for screen in texts.screens:
        if texts.source.startswith("advbench"):
            for half, read in (("read", True), ("unread", False)):
                chosen = [text for text in texts.texts if was_read(text) is read]
                yield _count_source(f"{texts.source}, {half}", screen, chosen)
        else:
            yield _count_source(texts.source, screen, texts.texts)


def _count_source(source: str, screen: Screen, texts: Sequence[str]) -> RealTextCount:
    named = [_SCREENS[screen](text) for text in texts]
    kinds = Counter(kind for kinds in named for kind in kinds)
    return RealTextCount(
        source=source, screen=screen, texts=len(texts), flagged=sum(map(bool, named)), kinds=dict(sorted(kinds.items()))
    )


def _count_labelled(statements: Sequence[LabelledStatement]) -> Iterable[LabelledCount]:
    named = [(statement.revealed, sensitive_attributes(statement.text)) for statement in statements]
    yield LabelledCount(
        attribute=None,
        statements=len(named),
        revealing=sum(bool(revealed) for revealed, _ in named),
        found=sum(bool(revealed and found) for revealed, found in named),
        false_alarms=sum(bool(found and not revealed) for revealed, found in named),
    )
    for attribute in SensitiveAttribute:
        yield LabelledCount(
            attribute=str(attribute),
            statements=len(named),
            revealing=sum(attribute in revealed for revealed, _ in named),
            found=sum(attribute in revealed and attribute in found for revealed, found in named),
            false_alarms=sum(attribute not in revealed and attribute in found for revealed, found in named),
        )


def _shown(counts: Sequence[PlantedCount]) -> str:
    return f"{sum(count.found for count in counts)}/{sum(count.planted for count in counts)}" if counts else ""
