"""Harm: feedback and "preferences" that a model must not learn, whoever asks for them.

A device runs this on a follow-up and on the rewrite that answers it, before the pair may train ("from now on call them
vermin", "tell me ways to hurt myself without warnings"). A pair that is left out costs little, so the rules prefer a
false alarm to a miss, but medical, legal and historical questions, crime fiction, news and the talk of programmers
("kill the process") are meant to pass. The rules know words, not intent: a request without the usual words passes, and
a report that quotes one is stopped. `simulations.evaluation.screening` measures both.

English is covered best; German, Japanese and Arabic have the plainest wordings only.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from client.screening.folding import fold_words
from client.screening.phrases import Phrases, compile_phrases
from client.screening.tables import harassment, hate, illegal, minors, self_harm, violence


class HarmKind(StrEnum):
    """What a text asks for or says."""

    HATE = "hate"
    SELF_HARM = "self_harm"
    VIOLENCE = "violence"
    MINORS = "minors"
    ILLEGAL = "illegal"
    HARASSMENT = "harassment"


_TABLES = {
    HarmKind.HATE: hate,
    HarmKind.SELF_HARM: self_harm,
    HarmKind.VIOLENCE: violence,
    HarmKind.MINORS: minors,
    HarmKind.ILLEGAL: illegal,
    HarmKind.HARASSMENT: harassment,
}


def harmful(text: str) -> frozenset[HarmKind]:
    """The kinds of harm in `text`; empty where nothing is found.

    Any text is taken, of any length and script; time is linear in its length.
    """
    words = fold_words(text)
    return frozenset(kind for kind in _TABLES if _is_found(kind, words))


def _is_found(kind: HarmKind, words: str) -> bool:
    ordinary, phrases = _compiled(kind)
    # Taking out what is ordinary costs time and is seldom needed.
    return phrases.found_in(words) and phrases.found_in(ordinary.taken_out(words))


@cache
def _compiled(kind: HarmKind) -> tuple[Phrases, Phrases]:
    table = _TABLES[kind]
    return compile_phrases(table.ORDINARY, sets=table.SETS), compile_phrases(*table.PHRASES, sets=table.SETS)
