"""What the light classifier sees of a follow-up: hashed n-grams of its text, and how it relates to what came before.

N-grams of characters work in any script, also in those that write no spaces; the relational features know no language.
Every text is input: none is too long, empty or ill-formed (half of a surrogate pair is a character like others).
"""

from __future__ import annotations

import math
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.followups import FollowUp

FEATURES_VERSION = 1  # weights fit one version of this module only
BUCKETS = 2**14  # of hashed n-grams: with five kinds in float16, 160 kB of weights
HEAD, TAIL = 400, 200  # characters of a long text that are read: it may be a program
CONTEXT = 4_000  # characters of request and of reply that a follow-up is compared with
REQUESTS = 8  # the last ones, that it is compared with

_CHARACTER_GRAMS = (1, 2, 3, 4)
_CODE_SIGNS = ("=", "()", "{", "[", "```", "_")
_QUESTION_MARKS = ("?", "؟", "՞", "፧")  # NFKC has turned the wide ones into "?"
_RELATIONS = (
    "always",
    "ends with a question mark",
    "holds a question mark inside",
    "holds an exclamation mark",
    "holds a line break",
    "holds a code sign",
    "the reply ends with a question mark",
    "the reply is short",
    "the reply holds code",
    "the request holds code",
    "the same as the request",
    "no letter or digit",
)
# Numbers that enter as a row of indicators, one for each interval between the thresholds.
_BINNED: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("words", (2, 4, 7, 12, 25, 60)),
    ("characters", (4, 12, 30, 60, 120, 300)),
    ("characters against the request's", (0.25, 0.5, 0.8, 1.25, 2, 4)),
    ("share of signs", (0.02, 0.05, 0.1, 0.2)),
    ("share of the follow-up's n-grams in the request", (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)),
    ("share of the request's n-grams in the follow-up", (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)),
    ("share of the follow-up's n-grams in the reply", (0.1, 0.25, 0.4, 0.6, 0.8, 0.95)),
    ("share of the follow-up's n-grams in neither", (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)),
    ("share of its words that the reply holds and the request does not", (0.05, 0.15, 0.3, 0.5, 0.7)),
    ("share of its words in the request", (0.05, 0.2, 0.4, 0.6, 0.8, 0.99)),
    ("share of the request's words in it", (0.05, 0.2, 0.4, 0.6, 0.8, 0.99)),
    ("share of its n-grams in one of the requests before the last", (0.15, 0.3, 0.5, 0.7, 0.9)),
    ("messages before it", (3, 5, 9)),
)
RELATION_COUNT = len(_RELATIONS) + sum(len(thresholds) + 1 for _, thresholds in _BINNED)

# A row holds one indicator of each of these numbers, but hundreds of n-grams: both parts are scaled to like length.
_RELATION_SCALE = 0.3


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Features:
    """One follow-up as numbers.

    Attributes:
        buckets: (n,) int64, distinct, in [0, `buckets` of the call): which hashed n-grams occur.
        values: (n,) float64, their weights; characters' and words' n-grams have L2 norm 1 each, before hashing.
        relations: (`RELATION_COUNT`,) float64.
    """

    buckets: NDArray[np.int64]
    values: NDArray[np.float64]
    relations: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"Features({len(self.buckets)} n-grams)"


def follow_up_features(followup: FollowUp, *, buckets: int = BUCKETS) -> Features:
    """The features of a follow-up, of the last reply and of the last request before it."""
    requests = [message.content for message in followup.conversation if message.role == "user"]
    reply = followup.conversation[-1].content
    text = _normalised(_shortened(followup.text, HEAD, TAIL))
    hashed, values = _hashed(text, buckets)
    return Features(
        buckets=hashed,
        values=values,
        relations=_relations(
            followup.text,
            text,
            [_normalised(_shortened(request, CONTEXT - TAIL, TAIL)) for request in requests[-REQUESTS:]] or [""],
            _normalised(_shortened(reply, CONTEXT - TAIL, TAIL)),
            len(followup.conversation),
        ),
    )


def _shortened(text: str, head: int, tail: int) -> str:
    return text if len(text) <= head + tail else f"{text[:head]} {text[-tail:]}"


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _hashed(text: str, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    total: dict[int, float] = {}
    for grams in (_character_grams(text), _word_grams(text)):
        counts: dict[bytes, int] = {}
        for gram in grams:
            key = gram.encode("utf-8", "surrogatepass")
            counts[key] = counts.get(key, 0) + 1
        norm = math.sqrt(sum((1 + math.log(count)) ** 2 for count in counts.values()))
        for key, count in counts.items():
            code = zlib.crc32(key)
            # The sign lets n-grams that share a bucket cancel and not add up.
            weight = (1 + math.log(count)) / norm * (1 if code >> 31 else -1)
            total[code % buckets] = total.get(code % buckets, 0.0) + weight
    order = sorted(total)
    return np.array(order, dtype=np.int64), np.array([total[bucket] for bucket in order], dtype=np.float64)


def _character_grams(text: str) -> Iterator[str]:
    padded = f" {text} "
    for size in _CHARACTER_GRAMS:
        for start in range(len(padded) - size + 1):
            yield f"c{padded[start : start + size]}"


def _word_grams(text: str) -> Iterator[str]:
    words = _words(text)
    yield f"w{len(words) > 0}"  # so that a text without words has one too
    for place, word in enumerate(words):
        yield f"w{word}"
        yield f"b{words[place - 1] if place else ''} {word}"
    if words:
        yield f"e{words[-1]}"
        yield f"s{' '.join(words[:3])}"


def _words(text: str) -> list[str]:
    letters = "".join(character if character.isalnum() or character == "'" else " " for character in text)
    return letters.split()


def _relations(raw: str, text: str, requests: list[str], reply: str, messages: int) -> NDArray[np.float64]:
    request = requests[-1]
    grams, asked, replied = _trigrams(text), _trigrams(request), _trigrams(reply)
    earlier = [_trigrams(before) for before in requests[:-1]]
    words, asked_words, replied_words = set(_words(text)), set(_words(request)), set(_words(reply))
    signs = sum(not (character.isalnum() or character.isspace()) for character in text)
    flags = (
        True,
        text.endswith(_QUESTION_MARKS),
        any(mark in text[:-1] for mark in _QUESTION_MARKS),
        "!" in text or "¡" in text,
        "\n" in raw.strip(),
        any(sign in raw for sign in _CODE_SIGNS),
        reply.endswith(_QUESTION_MARKS),
        len(reply) < 200,  # a question back, a greeting, a refusal
        "```" in reply,
        any(sign in request for sign in _CODE_SIGNS),
        text == request,
        not words,
    )
    numbers = (
        len(_words(text)),
        len(raw.strip()),
        len(text) / max(1, len(request)),
        signs / max(1, len(text)),
        _share(grams & asked, grams),
        _share(grams & asked, asked),
        _share(grams & replied, grams),
        _share(grams - asked - replied, grams),
        _share(words & replied_words - asked_words, words),
        _share(words & asked_words, words),
        _share(words & asked_words, asked_words),
        max((_share(grams & before, grams) for before in earlier), default=0.0),
        messages,
    )
    found = np.zeros(RELATION_COUNT)
    found[: len(flags)] = flags
    start = len(flags)
    for number, (_, thresholds) in zip(numbers, _BINNED, strict=True):
        found[start + int(np.searchsorted(thresholds, number, side="right"))] = 1.0
        start += len(thresholds) + 1
    return found * _RELATION_SCALE


def _trigrams(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}


def _share(part: set[str], whole: set[str]) -> float:
    return len(part) / max(1, len(whole))
