"""Does a tuned model serve each user's own persona better than the base? Measured on the embedded world.

Every user asks held-out questions under three persona conditions: their own, none, and another user's (whose style is
not theirs). All replies are scored against the ASKING user's true style. Winning under one's own persona and not under
another's is personalization; winning under all three alike is a drift of the default style.

The score is the world's parser, the same rule that ranked the training pairs: it shows what was learned from them, and
nothing about people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from client.prompts import with_persona
from shared.conversation import Message
from shared.generation import ReplyGenerator
from simulations.evaluation.statistics import bootstrap_interval
from simulations.evaluation.worst_decile import worst_decile, worst_decile_interval
from simulations.population.embedded.parser import Reading, read_reply
from simulations.population.embedded.style import AXES
from simulations.population.embedded.users import User

Condition = Literal["own", "none", "other"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
MAX_NEW_TOKENS = 112


class Tuned(Protocol):
    """A language model with an adapter that can be switched off."""

    @property
    def language_model(self) -> ReplyGenerator: ...

    def disabled(self) -> AbstractContextManager[None]: ...


class AskingUsers(Protocol):
    """Simulated users with new questions."""

    @property
    def split(self) -> str: ...

    def __len__(self) -> int: ...

    def user(self, index: int) -> User: ...

    def questions(self, index: int, n: int) -> tuple[tuple[Message, ...], ...]: ...


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean with its 95 % bootstrap interval over users."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """Base and tuned replies under one persona condition, at one temperature.

    Attributes:
        condition, temperature: which prompts, and how replies were drawn (0 is greedy).
        win: probability that the tuned reply fits its user's style better than the base's reply to the same prompt,
            ties one half. An incoherent reply has fit 0.
        base_fit, tuned_fit: mean number of the four axes on which the reply is as the user wants it.
        base_worst_decile, tuned_worst_decile: the same over the tenth of users for whom that model does worst, by the
            mean fit of their own replies (`simulations.evaluation.worst_decile`): two models, two sets of users. By fit
            and not by win, which with few questions a user is 0, 1/2 or 1.
        base_coherent, tuned_coherent: share of coherent replies.
        base_axes, tuned_axes: per axis, the share of replies with the wanted pole (coherent or not).
        groups: win by group of users: persona in held-out wording or not, style unseen in training or not.
    """

    condition: Condition
    temperature: float
    win: Figure
    base_fit: float
    tuned_fit: Figure
    base_worst_decile: float
    tuned_worst_decile: Figure
    base_coherent: float
    tuned_coherent: float
    base_axes: dict[str, float]
    tuned_axes: dict[str, float]
    groups: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class EmbeddedEvaluation:
    """The held-out evaluation of an adapter on one split of the embedded world.

    `personalization` holds, per temperature, the win under the own persona minus the win under another's.
    `wins` holds, per temperature and condition, each user's own win, in the order of users: what two runs are compared
    by, user by user (`simulations.evaluation.retained_gain`), and `fits` each user's mean style fit under their own
    persona, of the base's replies and of the tuned model's. `examples` are (question, persona, base reply, tuned reply)
    of simulated users, for a reader's eyes.
    """

    split: str
    users: int
    questions_per_user: int
    results: tuple[ConditionResult, ...]
    personalization: dict[float, Figure]
    wins: dict[float, dict[Condition, tuple[float, ...]]]
    fits: dict[float, dict[Literal["base", "tuned"], tuple[float, ...]]]
    examples: tuple[tuple[str, str, str, str], ...]

    def result(self, condition: Condition, temperature: float = 0.0) -> ConditionResult:
        """The result of a condition and temperature.

        Raises:
            KeyError: it was not evaluated.
        """
        for found in self.results:
            if found.condition == condition and found.temperature == temperature:
                return found
        raise KeyError(f"{condition} at temperature {temperature} was not evaluated")

    def to_dict(self) -> dict[str, object]:
        """All of it as plain values for JSON."""
        values = asdict(self)
        values["personalization"] = {str(key): asdict(figure) for key, figure in self.personalization.items()}
        values["wins"] = {str(key): {name: list(won) for name, won in by.items()} for key, by in self.wins.items()}
        values["fits"] = {str(key): {name: list(fit) for name, fit in by.items()} for key, by in self.fits.items()}
        return values


@dataclass(frozen=True, kw_only=True, repr=False)
class _Prompt:
    user: User
    persona: str | None
    question: str
    turns: tuple[Message, ...]


def evaluate_embedded(
    adapted: Tuned,
    population: AskingUsers,
    *,
    personas: Sequence[str | None] | None = None,
    base_model: ReplyGenerator | None = None,
    questions_per_user: int = 2,
    temperatures: Sequence[float] = (0.0, 0.7),
    seed: int = 0,
    batch_size: int = 64,
    examples: int = 2,
    progress: Callable[[int], None] = lambda _done: None,
) -> EmbeddedEvaluation:
    """Compares the model with its adapter on and off for every user of `population`.

    Args:
        adapted: the tuned model; its base is the same model with the adapter disabled.
        population: the users that ask; take the reporting split for figures and the tuning split for choices.
        personas: of each user, as a device states them; by default the world's own.
        base_model: the base, where it is had otherwise than by switching the adapter off.
        questions_per_user: held-out questions each user asks.
        temperatures: 0 is greedy.
        seed: of the sampled replies and of the bootstrap.
        batch_size: conversations generated together.
        examples: how many replies to keep as examples, greedy or at the first temperature.
        progress: told how many sets of replies are done: two a temperature.
    """
    prompts = {
        condition: persona_prompts(population, condition, questions_per_user, personas) for condition in CONDITIONS
    }
    results: list[ConditionResult] = []
    personalization: dict[float, Figure] = {}
    every_win: dict[float, dict[Condition, tuple[float, ...]]] = {}
    every_fit: dict[float, dict[Literal["base", "tuned"], tuple[float, ...]]] = {}
    shown: list[tuple[str, str, str, str]] = []
    for place, temperature in enumerate(temperatures):
        asked = [prompt for condition in CONDITIONS for prompt in prompts[condition]]
        with adapted.disabled():
            base = _reply(base_model or adapted.language_model, asked, temperature, seed, batch_size)
        progress(2 * place + 1)
        tuned = _reply(adapted.language_model, asked, temperature, seed, batch_size)
        progress(2 * place + 2)
        wins: dict[Condition, np.ndarray] = {}
        size = len(population) * questions_per_user
        for index, condition in enumerate(CONDITIONS):
            part = slice(index * size, (index + 1) * size)
            result, wins[condition], before, after = _compare(
                condition, temperature, prompts[condition], base[part], tuned[part], questions_per_user, seed
            )
            results.append(result)
            if condition == "own":
                every_fit[temperature] = {"base": tuple(map(float, before)), "tuned": tuple(map(float, after))}
        every_win[temperature] = {condition: tuple(map(float, won)) for condition, won in wins.items()}
        personalization[temperature] = _figure(wins["own"] - wins["other"], seed)
        if not shown:
            shown = [
                (prompt.question, prompt.persona or "", first, then)
                for prompt, first, then in zip(asked[:size], base[:size], tuned[:size], strict=True)
                if first != then
            ][:examples]
    return EmbeddedEvaluation(
        split=population.split,
        users=len(population),
        questions_per_user=questions_per_user,
        results=tuple(results),
        personalization=personalization,
        wins=every_win,
        fits=every_fit,
        examples=tuple(shown),
    )


def other_persona(users: Sequence[User], index: int, personas: Sequence[str | None] | None = None) -> str | None:
    """The persona of the next user who wants another style than user `index`; `personas` as `evaluate_embedded`'s.

    Raises:
        ValueError: they all want the same.
    """
    for step in range(1, len(users)):
        other = users[(index + step) % len(users)]
        if other.style != users[index].style:
            return other.persona if personas is None else personas[(index + step) % len(users)]
    raise ValueError("the evaluation needs users of at least two styles")


def persona_prompts(
    population: AskingUsers,
    condition: Condition,
    questions: int,
    personas: Sequence[str | None] | None = None,
) -> list[_Prompt]:
    """The users' held-out questions under a persona condition, user by user."""
    users = [population.user(index) for index in range(len(population))]
    prompts = []
    for index, user in enumerate(users):
        own = user.persona if personas is None else personas[index]
        persona = {"own": own, "none": None}.get(condition, other_persona(users, index, personas))
        prompts += [
            _Prompt(user=user, persona=persona, question=turns[-1].content, turns=with_persona(turns, persona))
            for turns in population.questions(index, questions)
        ]
    return prompts


def _reply(
    model: ReplyGenerator, prompts: Sequence[_Prompt], temperature: float, seed: int, batch_size: int
) -> list[str]:
    replies = model.generate_replies(
        [prompt.turns for prompt in prompts],
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=temperature,
        seed=seed,
        batch_size=batch_size,
    )
    return [samples[0].text for samples in replies]


def _compare(
    condition: Condition,
    temperature: float,
    prompts: Sequence[_Prompt],
    base: Sequence[str],
    tuned: Sequence[str],
    questions: int,
    seed: int,
) -> tuple[ConditionResult, np.ndarray, np.ndarray, np.ndarray]:
    """The condition's result, and of each user (users,) the win, the base's mean fit and the tuned model's."""
    before = [read_reply(reply, prompt.question) for reply, prompt in zip(base, prompts, strict=True)]
    after = [read_reply(reply, prompt.question) for reply, prompt in zip(tuned, prompts, strict=True)]
    base_fit, tuned_fit = _fits(before, prompts), _fits(after, prompts)
    wins = win_of_users(base_fit, tuned_fit, questions)
    base_of_users, tuned_of_users = _per_user(base_fit, questions), _per_user(tuned_fit, questions)
    low, high = worst_decile_interval(tuned_of_users, seed=seed)
    users = [prompt.user for prompt in prompts[::questions]]
    groups = {
        "seen wording": [not user.held_out_wording for user in users],
        "held-out wording": [user.held_out_wording for user in users],
        "seen style": [not user.unseen_style for user in users],
        "unseen style": [user.unseen_style for user in users],
    }
    result = ConditionResult(
        condition=condition,
        temperature=temperature,
        win=_figure(wins, seed),
        base_fit=float(base_fit.mean()),
        tuned_fit=_figure(tuned_of_users, seed),
        base_worst_decile=worst_decile(base_of_users),
        tuned_worst_decile=Figure(value=worst_decile(tuned_of_users), low=low, high=high),
        base_coherent=float(np.mean([reading.coherent for reading in before])),
        tuned_coherent=float(np.mean([reading.coherent for reading in after])),
        base_axes=_axes(before, prompts),
        tuned_axes=_axes(after, prompts),
        groups={name: float(wins[members].mean()) for name, members in groups.items() if any(members)},
    )
    return result, wins, base_of_users, tuned_of_users


def reply_fits(replies: Sequence[str], prompts: Sequence[_Prompt]) -> np.ndarray:
    """(replies,) how many of the asking user's four axes each reply meets; 0 of an incoherent one."""
    return _fits([read_reply(reply, prompt.question) for reply, prompt in zip(replies, prompts, strict=True)], prompts)


def win_of_users(base_fit: np.ndarray, tuned_fit: np.ndarray, questions: int) -> np.ndarray:
    """(users,) share of a user's questions on which the tuned reply fits better than the base's; a tie is half."""
    return _per_user((tuned_fit > base_fit) + 0.5 * (tuned_fit == base_fit), questions)


def _fits(readings: Sequence[Reading], prompts: Sequence[_Prompt]) -> np.ndarray:
    pairs = zip(readings, prompts, strict=True)
    return np.array([reading.fit(prompt.user.style) for reading, prompt in pairs], dtype=np.float64)


def _axes(readings: Sequence[Reading], prompts: Sequence[_Prompt]) -> dict[str, float]:
    return {
        axis: float(
            np.mean(
                [
                    reading.poles[axis] == prompt.user.style[axis]
                    for reading, prompt in zip(readings, prompts, strict=True)
                ]
            )
        )
        for axis in AXES
    }


def _per_user(values: np.ndarray, questions: int) -> np.ndarray:
    """(users * questions,) → (users,) means: users are the unit that the interval resamples."""
    means: np.ndarray = values.reshape(-1, questions).mean(axis=1)
    return means


def _figure(values: np.ndarray, seed: int) -> Figure:
    low, high = bootstrap_interval(values, seed=seed)
    return Figure(value=float(values.mean()), low=low, high=high)
