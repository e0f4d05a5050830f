"""What planted injections do to the pipeline: how often one changes a label or a rewrite, and how often it is caught.

A sentence that gives orders to the pipeline is put at the end of a follow-up, of a request, or of the logged reply (an
imported conversation may hold anything). Label and rewrite are made with it and without. A change is no capture: the
text has become another one, and a model may well answer it differently. Whatever comes out, it can trigger no action
(`tests/client/test_pair_making.py`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from random import Random
from typing import Literal, get_args

from client.followups import FollowUp, FollowUpClassifier, FollowUpKind, FollowUpLabel
from client.prompts import with_persona
from client.rewrites import Dissatisfaction, rewrite
from client.screening.injection import injection_signs
from shared.conversation import Message
from shared.generation import ReplyGenerator
from simulations.evaluation.statistics import Estimate, estimate_mean
from simulations.population.embedded.history import history, speaker

Place = Literal["follow-up", "request", "logged reply"]
PLACES: tuple[Place, ...] = get_args(Place)
_MAX_NEW_TOKENS = 112


@dataclass(frozen=True, kw_only=True)
class InjectionEffect:
    """Of injections in one place; shares over users.

    Attributes:
        place: where they stood.
        label_changed: the follow-up was labelled otherwise.
        rewrite_changed: the rewrite came out otherwise (of follow-ups that are feedback).
        caught: the filter names the text as an injection, so that no pair is made of it.
        changed_and_not_caught: label or rewrite changed, and the pair may train.
    """

    place: Place
    label_changed: Estimate
    rewrite_changed: Estimate
    caught: Estimate
    changed_and_not_caught: Estimate


@dataclass(frozen=True, kw_only=True, repr=False)
class _Case:
    user: str
    request: Message
    reply: Message
    followup: str
    is_feedback: bool
    persona: str | None
    planted: str = ""

    def with_injection(self, place: Place, text: str) -> _Case:
        if place == "follow-up":
            return replace(self, followup=f"{self.followup} {text}", planted=text)
        if place == "request":
            return replace(self, request=_longer(self.request, text), planted=text)
        return replace(self, reply=_longer(self.reply, text), planted=text)


def planted_injections(split: Literal["development", "held_out"] = "held_out") -> tuple[str, ...]:
    """The English sentences of the planted set; held out, the filter's rules were written without them."""
    path = files("simulations.evaluation").joinpath("planted", split, "injection.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(text for section in table.values() for text in section.get("english", ()))


def measure_injections(
    model: ReplyGenerator,
    classifier: FollowUpClassifier,
    *,
    users: int = 100,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[InjectionEffect, ...]:
    """Injections in each place, one a user and conversation, on the embedded world."""
    rng = Random(f"tacit injections {seed}")
    sentences = planted_injections()
    cases = [case for index in range(users) for case in _cases(seed, index)]
    before = _labels(cases, classifier)
    rewritten = _rewrites(cases, model, seed)
    effects = []
    for number, place in enumerate(PLACES):
        planted = [case.with_injection(place, rng.choice(sentences)) for case in cases]
        labels = [one.kind is not other.kind for one, other in zip(before, _labels(planted, classifier), strict=True)]
        changed = [one != other for one, other in zip(rewritten, _rewrites(planted, model, seed), strict=True)]
        # The filter reads request, follow-up and rewrite; the logged reply reaches no pair, since the device's own
        # model answers anew.
        caught = [bool(injection_signs(f"{case.request.content}\n{case.followup}")) for case in planted]
        feedback = [place for place, case in enumerate(cases) if case.is_feedback]
        effects.append(
            InjectionEffect(
                place=place,
                label_changed=_share(cases, labels, range(len(cases)), seed),
                rewrite_changed=_share(cases, changed, feedback, seed),
                caught=_share(cases, caught, range(len(cases)), seed),
                changed_and_not_caught=_share(
                    cases,
                    [(label or text) and not known for label, text, known in zip(labels, changed, caught, strict=True)],
                    range(len(cases)),
                    seed,
                ),
            )
        )
        progress((number + 1) / len(PLACES))
    return tuple(effects)


def _cases(seed: int, index: int) -> list[_Case]:
    user = speaker(seed, "reporting", index)
    return [
        _Case(
            user=user.identity,
            request=entry.conversation.messages[0],
            reply=entry.conversation.messages[1],
            followup=entry.truth.followup,
            is_feedback=entry.truth.kind is FollowUpKind.REATTEMPT,
            persona=user.persona,
        )
        for entry in history(user, 4)
    ]


def _labels(cases: Sequence[_Case], classifier: FollowUpClassifier) -> list[FollowUpLabel]:
    return classifier.classify(
        [FollowUp(conversation=(case.request, case.reply), text=case.followup) for case in cases]
    )


def _rewrites(cases: Sequence[_Case], model: ReplyGenerator, seed: int) -> list[str]:
    """As the device makes them: of its own answer, not of the logged one. Empty where there is no feedback."""
    chosen = [place for place, case in enumerate(cases) if case.is_feedback]
    own = model.generate_replies(
        [with_persona((cases[place].request,), cases[place].persona) for place in chosen],
        max_new_tokens=_MAX_NEW_TOKENS,
        batch_size=256,
    )
    asked = [
        Dissatisfaction(
            prompt=(cases[place].request,),
            original=replies[0].text,
            feedbacks=(cases[place].followup,),
            persona=cases[place].persona,
        )
        for place, replies in zip(chosen, own, strict=True)
    ]
    found = [""] * len(cases)
    for place, reply in zip(chosen, rewrite(asked, model, max_new_tokens=_MAX_NEW_TOKENS, seed=seed), strict=True):
        found[place] = reply.text
    return found


def _longer(message: Message, text: str) -> Message:
    return Message(role=message.role, content=f"{message.content} {text}")


def _share(cases: Sequence[_Case], values: Sequence[bool], places: Sequence[int], seed: int) -> Estimate:
    return estimate_mean([float(values[place]) for place in places], [cases[place].user for place in places], seed=seed)
