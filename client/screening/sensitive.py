"""Sensitive attributes: what a statement about a person must not reveal if it is to stay in a persona.

A persona holds what a model inferred ("Is a nurse", "Likes lists"). A statement that reveals one of these is dropped,
so the rules prefer a false alarm to a miss. They know words, not meaning: a statement that tells by implication alone
passes, and a word in another sense may be stopped. `simulations.evaluation.screening` measures both.

What the rules hold to:

- a profession, hobby, manner, level of expertise, place of residence or language that is asked for passes, unless the
  profession itself states a belief ("works as a priest");
- the health, belief or origin of family counts as the user's; so do denials ("is not religious") and the past;
- membership of a trade union counts as politics; weight, addiction and pregnancy count as health; mother tongue,
  birthplace and migration count as ethnicity; any link, handle or number of an account counts as contact data;
- English is covered thoroughly, German, Japanese and Arabic usefully, Spanish and French a little, others only by
  shapes of contact data.

The attributes follow the special categories of the GDPR's article 9, and contact data.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from client.screening import contact
from client.screening.folding import fold
from client.screening.phrases import Phrases, compile_phrases
from client.screening.tables import ethnicity, health, politics, religion, sexuality


class SensitiveAttribute(StrEnum):
    """What a text may reveal about a person."""

    HEALTH = "health"
    RELIGION = "religion"
    POLITICS = "politics"
    SEXUALITY = "sexuality"
    ETHNICITY = "ethnicity"
    CONTACT = "contact"


_TABLES = {
    SensitiveAttribute.HEALTH: health,
    SensitiveAttribute.RELIGION: religion,
    SensitiveAttribute.POLITICS: politics,
    SensitiveAttribute.SEXUALITY: sexuality,
    SensitiveAttribute.ETHNICITY: ethnicity,
}


def sensitive_attributes(text: str) -> frozenset[SensitiveAttribute]:
    """What `text` reveals about a person; empty where nothing is found.

    Any text is taken, of any length and script; time is linear in its length.
    """
    folded = fold(text)
    found = {attribute for attribute in _TABLES if _reveals(attribute, folded.words)}
    if contact.has_contact_data(folded, _contact_words()):
        found.add(SensitiveAttribute.CONTACT)
    return frozenset(found)


def _reveals(attribute: SensitiveAttribute, words: str) -> bool:
    ordinary, phrases = _compiled(attribute)
    # Taking out what is ordinary costs time and is seldom needed.
    return phrases.found_in(words) and phrases.found_in(ordinary.taken_out(words))


@cache
def _compiled(attribute: SensitiveAttribute) -> tuple[Phrases, Phrases]:
    table = _TABLES[attribute]
    return compile_phrases(table.ORDINARY, sets=table.SETS), compile_phrases(*table.PHRASES, sets=table.SETS)


@cache
def _contact_words() -> Phrases:
    return compile_phrases(contact.WORDS)
