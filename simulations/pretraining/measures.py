"""What the base model can do before any federation: figures for its card, all on held-out topics."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random

from client.prompts import (
    FollowUpKind,
    classify_follow_up,
    read_follow_up_kind,
    rewrite_with_feedback,
    state_persona,
)
from shared.conversation import Message
from shared.generation import ReplyGenerator, texts_of
from simulations.evaluation.embedded import MAX_NEW_TOKENS, Condition, persona_prompts
from simulations.population.embedded.followups import say, voice_feedback
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.parser import Reading, read_reply
from simulations.population.embedded.personas import read_persona
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.embedded.style import ALL_STYLES, AXES, DEFAULT_STYLE, Axis, assistant_style
from simulations.population.embedded.topics import ask, topics


@dataclass(frozen=True, kw_only=True)
class BaseMeasures:
    """Shares in [0, 1], except the fits (axes of four).

    Attributes:
        coherent_greedy, coherent_sampled: chat replies that make sense, greedy and at temperature 0.7.
        default_style_greedy: greedy replies in the default style, whatever the persona: the headroom.
        fit_own, fit_none, fit_other: greedy fit to the user under their persona, none, another's.
        fit_own_sampled: the same at temperature 0.7.
        rewrite_asked, rewrite_asked_held_out: greedy rewrites that mend every asked axis and are coherent, with
            feedback in seen and in held-out phrases. rewrite_rest_kept: of those with seen phrases, also all other
            axes kept.
        follow_up, follow_up_held_out: follow-ups labelled correctly, in seen and in held-out phrases.
        persona_recall, persona_precision: axes of stated personas against those the user's messages revealed, in
            held-out feedback phrases.
    """

    coherent_greedy: float
    coherent_sampled: float
    default_style_greedy: float
    fit_own: float
    fit_none: float
    fit_other: float
    fit_own_sampled: float
    rewrite_asked: float
    rewrite_asked_held_out: float
    rewrite_rest_kept: float
    follow_up: float
    follow_up_held_out: float
    persona_recall: float
    persona_precision: float

    def to_dict(self) -> dict[str, float]:
        values: dict[str, float] = asdict(self)
        return values


def measure_base(model: ReplyGenerator, *, seed: int = 0, users: int = 64, cases: int = 200) -> BaseMeasures:
    """Measures a base model on `users` reporting users (two questions each) and `cases` of each pipeline task."""
    population = EmbeddedPopulation(seed=seed, users=users, split="reporting")
    greedy = {condition: _chat(model, population, condition, 0.0, seed) for condition in ("own", "none", "other")}
    sampled = _chat(model, population, "own", 0.7, seed)
    everything = [reading for readings, _ in greedy.values() for reading in readings]
    asked, kept = _rewrites(model, cases, seed, held_out=False)
    asked_held_out, _ = _rewrites(model, cases, seed, held_out=True)
    recall, precision = _personas(model, cases, seed)
    return BaseMeasures(
        coherent_greedy=_mean([reading.coherent for reading in everything]),
        coherent_sampled=_mean([reading.coherent for reading in sampled[0]]),
        default_style_greedy=_mean([reading.fit(DEFAULT_STYLE) == len(AXES) for reading in everything]),
        fit_own=_mean(greedy["own"][1]),
        fit_none=_mean(greedy["none"][1]),
        fit_other=_mean(greedy["other"][1]),
        fit_own_sampled=_mean(sampled[1]),
        rewrite_asked=asked,
        rewrite_asked_held_out=asked_held_out,
        rewrite_rest_kept=kept,
        follow_up=_follow_ups(model, cases, seed, held_out=False),
        follow_up_held_out=_follow_ups(model, cases, seed, held_out=True),
        persona_recall=recall,
        persona_precision=precision,
    )


def _chat(
    model: ReplyGenerator, population: EmbeddedPopulation, condition: str, temperature: float, seed: int
) -> tuple[list[Reading], list[float]]:
    conditions: dict[str, Condition] = {"own": "own", "none": "none", "other": "other"}
    prompts = persona_prompts(population, conditions[condition], 2)
    asked = [prompt.turns for prompt in prompts]
    replies = texts_of(model.generate_replies(asked, max_new_tokens=MAX_NEW_TOKENS, temperature=temperature, seed=seed))
    readings = [read_reply(reply[0], prompt.question) for reply, prompt in zip(replies, prompts, strict=True)]
    fits = [float(reading.fit(prompt.user.style)) for reading, prompt in zip(readings, prompts, strict=True)]
    return readings, fits


def _rewrites(model: ReplyGenerator, cases: int, seed: int, *, held_out: bool) -> tuple[float, float]:
    rng = Random(f"tacit rewrite measure {seed}")
    prompts, wanted = [], []
    for _ in range(cases):
        topic, style = rng.choice(topics(held_out=True)), assistant_style(rng)
        question = ask(topic, rng, held_out=True)
        axes = rng.sample(AXES, rng.choice((1, 1, 2)))
        target = style.flipped(*axes)
        asked: dict[Axis, str] = {axis: target[axis] for axis in axes}
        turns = [_user(question), _assistant(word_reply(plan_reply(topic, rng), style))]
        prompts.append(rewrite_with_feedback(turns, voice_feedback(asked, rng, held_out=held_out)))
        wanted.append((question, axes, target))
    replies = texts_of(model.generate_replies(prompts, max_new_tokens=MAX_NEW_TOKENS))
    mended, kept = [], []
    for reply, (question, axes, target) in zip(replies, wanted, strict=True):
        reading = read_reply(reply[0], question)
        mended.append(reading.coherent and all(reading.poles[axis] == target[axis] for axis in axes))
        kept.append(reading.fit(target) == len(AXES))
    return _mean(mended), _mean(kept)


def _follow_ups(model: ReplyGenerator, cases: int, seed: int, *, held_out: bool) -> float:
    rng = Random(f"tacit follow-up measure {seed}")
    prompts, truth = [], []
    for index in range(cases):
        topic, style = rng.choice(topics(held_out=True)), assistant_style(rng)
        kind = list(FollowUpKind)[index % len(FollowUpKind)]
        if kind is FollowUpKind.REATTEMPT:
            axis = rng.choice(AXES)
            followup = voice_feedback({axis: style.flipped(axis)[axis]}, rng, held_out=held_out)
        elif kind is FollowUpKind.NEW_REQUEST:
            followup = ask(rng.choice(topics(held_out=True)), rng, held_out=held_out)
        else:
            followup = say(kind, rng, held_out=held_out)
        turns = [_user(ask(topic, rng)), _assistant(word_reply(plan_reply(topic, rng), style))]
        prompts.append(classify_follow_up(turns, followup))
        truth.append(kind)
    replies = texts_of(model.generate_replies(prompts, max_new_tokens=16))
    return _mean([read_follow_up_kind(reply[0]) is kind for reply, kind in zip(replies, truth, strict=True)])


def _personas(model: ReplyGenerator, cases: int, seed: int) -> tuple[float, float]:
    rng = Random(f"tacit persona measure {seed}")
    prompts, truth = [], []
    for _ in range(cases):
        wanted = rng.choice(ALL_STYLES)
        axes = rng.sample(AXES, rng.randint(1, 4))
        said = [
            [
                _user(ask(rng.choice(topics(held_out=True)), rng)),
                _user(voice_feedback({axis: wanted[axis]}, rng, held_out=True)),
            ]
            for axis in axes
        ]
        prompts.append(state_persona(said))
        truth.append({axis: wanted[axis] for axis in axes})
    replies = texts_of(model.generate_replies(prompts, max_new_tokens=64))
    found = [read_persona(reply[0]) for reply in replies]
    right = sum(len(stated.items() & known.items()) for stated, known in zip(found, truth, strict=True))
    return right / sum(map(len, truth)), right / max(1, sum(map(len, found)))


def _mean(values: list[bool] | list[float]) -> float:
    return sum(values) / len(values)


def _user(content: str) -> Message:
    return Message(role="user", content=content)


def _assistant(content: str) -> Message:
    return Message(role="assistant", content=content)
