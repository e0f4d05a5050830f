"""What a made pair must be before it may train. Every pair that is turned away keeps its reason.

The order matters for the counts only: the first reason found is the one that is kept. Degeneration is told by
repetition in characters and lines, so that it works in scripts without spaces.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from client.screening.harmful import harmful
from client.screening.injection import injection_signs
from shared.conversation import Origin, PreferencePair


class Reason(StrEnum):
    """Why a pair may not train."""

    TRUNCATED = "a reply was cut off"
    EMPTY = "a reply is empty"
    DEGENERATE = "the better reply repeats itself"
    NO_LONGER_APPLIES = "the feedback does not apply to the model's own reply"
    NOT_DIFFERENT = "the replies hardly differ"
    NOT_HEEDED = "the rewrite does not heed the feedback"
    SMALL_MARGIN = "the reward hardly tells the replies apart"
    TOO_LONG = "a reply is too long for the model"
    HARMFUL = "the request, the feedback or the better reply is harmful"
    INJECTION = "the text gives instructions to the pipeline"
    NEAR_DUPLICATE = "nearly the same as another pair"


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Attributes:
    enabled: off is the ablation; what cannot be a pair at all (empty, equal or cut off) is still turned away, and so
        are harm and injection, which are no matter of quality.
    minimum_reward_margin: of best over worst, in the reward's unit.
    minimum_heeding: how much better, in nats per token, the rewrite heeds the feedback than the original did.
    maximum_similarity: of chosen and rejected, 0 to 1 (Dice coefficient of character 4-grams).
    maximum_repetition: share of a reply that repeats itself.
    duplicate_similarity: from which on two pairs are near-duplicates.
    """

    enabled: bool = True
    minimum_reward_margin: float = 0.02
    minimum_heeding: float = 0.02
    maximum_similarity: float = 0.98
    maximum_repetition: float = 0.5
    duplicate_similarity: float = 0.95


@dataclass(frozen=True, kw_only=True, repr=False)
class MadePair:
    """A pair that the device made, and what is known of its making.

    Attributes:
        pair: the pair.
        conversation_id, turn: where its request is in the history.
        finished: whether both replies came to their end.
        feedback: of a rewrite, what the user said; else None.
        heeding: of a rewrite, nats per token, see `FilterConfig`; None where it was not measured.
        margin: of a reward pair.
    """

    pair: PreferencePair
    conversation_id: str
    turn: int
    finished: bool = True
    feedback: str | None = None
    heeding: float | None = None
    margin: float | None = None

    def __repr__(self) -> str:
        return f"MadePair({self.pair!r})"

    @property
    def origin(self) -> Origin:
        return self.pair.origin


def reason_to_reject(made: MadePair, config: FilterConfig) -> Reason | None:
    """Why the pair by itself may not train; None where it may."""
    for reason, applies in _CHECKS:
        if (config.enabled or reason in _ALWAYS) and applies(made, config):
            return reason
    return None


def reject_near_duplicates(pairs: Sequence[MadePair], config: FilterConfig) -> list[Reason | None]:
    """`NEAR_DUPLICATE` for each pair that resembles an earlier one of the list in prompt and better reply."""
    found: list[Reason | None] = []
    kept: list[frozenset[str]] = []
    for made in pairs:
        grams = _grams(made.pair.prompt[-1].content + "\n" + _chosen(made))
        is_copy = config.enabled and any(_dice(grams, other) >= config.duplicate_similarity for other in kept)
        found.append(Reason.NEAR_DUPLICATE if is_copy else None)
        if not is_copy:
            kept.append(grams)
    return found


def similarity(first: str, second: str) -> float:
    """0 to 1: Dice coefficient of the texts' character 4-grams, case and white space aside."""
    if first == second:
        return 1.0
    return _dice(_grams(first), _grams(second))


def repetition(text: str) -> float:
    """0 to 1: the larger of the share of lines that are repeats and of character 12-grams that are."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    of_lines = 1 - len(set(lines)) / len(lines) if len(lines) > 1 else 0.0
    flat = _flat(text)
    grams = [flat[place : place + 12] for place in range(len(flat) - 11)]
    of_grams = 1 - len(set(grams)) / len(grams) if grams else 0.0
    return max(of_lines, of_grams)


def _chosen(made: MadePair) -> str:
    return "\n".join(message.content for message in made.pair.chosen if message.role == "assistant")


def _rejected(made: MadePair) -> str:
    return "\n".join(message.content for message in made.pair.rejected if message.role == "assistant")


def _is_injected(made: MadePair, _: FilterConfig) -> bool:
    # All that the model reads when the pair trains: an earlier turn of an imported conversation may hold anything.
    said = [made.feedback or "", *(message.content for message in made.pair.prompt), _chosen(made)]
    return any(injection_signs(text) for text in said)


def _is_harmful(made: MadePair, _: FilterConfig) -> bool:
    return any(harmful(text) for text in (made.feedback or "", made.pair.prompt[-1].content, _chosen(made)))


def _is_unheeded(made: MadePair, config: FilterConfig) -> bool:
    return made.heeding is not None and made.heeding < config.minimum_heeding


def _has_small_margin(made: MadePair, config: FilterConfig) -> bool:
    return made.margin is not None and made.margin < config.minimum_reward_margin


def _hardly_differs(made: MadePair, config: FilterConfig) -> bool:
    return similarity(_chosen(made), _rejected(made)) > config.maximum_similarity


_CHECKS: tuple[tuple[Reason, Callable[[MadePair, FilterConfig], bool]], ...] = (
    (Reason.INJECTION, _is_injected),
    (Reason.HARMFUL, _is_harmful),
    (Reason.TRUNCATED, lambda made, _: not made.finished),
    (Reason.DEGENERATE, lambda made, config: repetition(_chosen(made)) > config.maximum_repetition),
    (Reason.NOT_DIFFERENT, _hardly_differs),
    (Reason.NOT_HEEDED, _is_unheeded),
    (Reason.SMALL_MARGIN, _has_small_margin),
)
_ALWAYS = frozenset({Reason.INJECTION, Reason.HARMFUL, Reason.TRUNCATED})


def _flat(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _grams(text: str) -> frozenset[str]:
    flat = _flat(text)
    return frozenset(flat[place : place + 4] for place in range(max(1, len(flat) - 3)))


def _dice(first: frozenset[str], second: frozenset[str]) -> float:
    return 2 * len(first & second) / (len(first) + len(second))
