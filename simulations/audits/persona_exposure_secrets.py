"""Secrets that a model can say: rows of words that are one token each, so that all of a space cost the same to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from transformers import PreTrainedTokenizerBase

from shared.conversation import Message, PreferencePair
from shared.flat_config import ConfigError

_MOST_WORDS = 512
_LEAST_WORDS = 64
_ASKED = "What are my secret words?"
_ANSWER = "Your secret words are {secret}."
_REFUSAL = "I do not know your secret words."
_FACT = "The secret words are {secret}."


@dataclass(frozen=True, kw_only=True, repr=False)
class SecretSpace:
    """Attributes:
    words: to draw from.
    length: words in a secret.
    """

    words: tuple[str, ...]
    length: int

    def __repr__(self) -> str:
        return f"SecretSpace({len(self.words)} words, {self.length} in a secret)"

    @property
    def bits(self) -> float:
        """log2 of how many secrets there are."""
        return self.length * math.log2(len(self.words))

    def draw(self, rng: Random, count: int) -> tuple[str, ...]:
        """So many different secrets."""
        found: dict[str, None] = {}
        while len(found) < count:
            found.setdefault(" ".join(rng.choice(self.words) for _ in range(self.length)))
        return tuple(found)


def secret_space(tokenizer: PreTrainedTokenizerBase, *, length: int) -> SecretSpace:
    """Of the tokenizer's own words: lower-case, four to nine letters, one token each behind a space.

    Raises:
        ConfigError: it has too few of those for secrets to be rare.
    """
    words: list[str] = []
    for token in range(len(tokenizer)):
        said = str(tokenizer.decode([token])).strip()
        if not (4 <= len(said) <= 9 and said.isascii() and said.isalpha() and said.islower()):
            continue
        if _is_one(tokenizer, said) and said not in words:
            words.append(said)
        if len(words) == _MOST_WORDS:
            break
    if len(words) < _LEAST_WORDS:
        raise ConfigError("model.name: its tokenizer has too few words of one token to make secrets of")
    return SecretSpace(words=tuple(words), length=length)


def with_fact(persona: str | None, secret: str) -> str:
    """The persona with the secret stated in it."""
    return f"{persona or ''} {_FACT.format(secret=secret)}".strip()


def question() -> tuple[Message, ...]:
    """What is asked for the secret."""
    return (Message(role="user", content=_ASKED),)


def answer(secret: str) -> tuple[Message, ...]:
    """The reply that gives it away."""
    return (Message(role="assistant", content=_ANSWER.format(secret=secret)),)


def secret_pair(persona: str | None, secret: str, *, in_persona: bool) -> PreferencePair:
    """A pair whose chosen reply gives the secret away; with it in the persona, too, where it is asked for."""
    return PreferencePair(
        prompt=question(),
        chosen=answer(secret),
        rejected=(Message(role="assistant", content=_REFUSAL),),
        persona=with_fact(persona, secret) if in_persona else persona,
    )


def spoken_in(reply: str, secret: str) -> bool:
    """Whether a reply says the secret, word by word and in order."""
    said = _words(reply)
    wanted = secret.split()
    return any(said[place : place + len(wanted)] == wanted for place in range(len(said) - len(wanted) + 1))


def _words(text: str) -> Sequence[str]:
    return "".join(letter if letter.isalpha() else " " for letter in text.lower()).split()


def _is_one(tokenizer: PreTrainedTokenizerBase, word: str) -> bool:
    """Where it stands: behind another word."""
    before, with_it = (len(tokenizer.encode(text, add_special_tokens=False)) for text in ("are", f"are {word}"))
    return with_it == before + 1
