"""Simulated users who point at the first wrong step of a solution, on problems of which everything is known.

Example `index` of a seed is always the same and costs nothing until it is asked for. One step of a right solution is
replaced by one with a realistic mistake (`ErrorKind`), later steps are carried out rightly on its wrong result, and the
answer at the end is therefore wrong; where the mistake would cancel out, another is drawn.

What this can show is whether a model learns from being told where it erred. The problems are simple, every solution
takes its family's one way, and only one mistake is made: a model that does well here may do badly on anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from simulations.population.reasoning import held_out_problems, money_problems, number_problems, rate_problems
from simulations.population.reasoning.answers import format_number
from simulations.population.reasoning.example import ReasoningExample
from simulations.population.reasoning.follow_ups import point_at
from simulations.population.reasoning.slips import derived_slips
from simulations.population.reasoning.working import Slip, WordProblem, Worked, numbers_at, work_out

Family = Callable[[Random], WordProblem]

FAMILIES: Mapping[str, Family] = {
    "shopping": money_problems.shopping,
    "sale": money_problems.sale,
    "interest": money_problems.interest,
    "fence": money_problems.fence,
    "journey": rate_problems.journey,
    "pumps": rate_problems.pumps,
    "recipe": rate_problems.recipe,
    "floor": rate_problems.floor,
    "equation": number_problems.equation,
    "ages": number_problems.ages,
    "average": number_problems.average,
}
HELD_OUT_FAMILIES: Mapping[str, Family] = {
    "tickets": held_out_problems.tickets,
    "timetable": held_out_problems.timetable,
    "mixture": held_out_problems.mixture,
}
_SAYS_WHY = 0.5  # of the follow-ups


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A slip at one step, and the solution that comes of it."""

    place: int
    slip: Slip
    worked: Worked


def generate_examples(
    count: int,
    *,
    seed: int,
    held_out_families: bool = False,
    held_out_wordings: bool = False,
    families: Sequence[str] | None = None,
) -> Iterator[ReasoningExample]:
    """Examples 0 to `count` - 1 of a seed, made one by one; arguments as `generate_example` has them."""
    for index in range(count):
        yield generate_example(
            index,
            seed=seed,
            held_out_families=held_out_families,
            held_out_wordings=held_out_wordings,
            families=families,
        )


def generate_example(
    index: int,
    *,
    seed: int,
    held_out_families: bool = False,
    held_out_wordings: bool = False,
    families: Sequence[str] | None = None,
) -> ReasoningExample:
    """Example `index` of a seed; of another seed, or with other flags, it is another one.

    Args:
        index: not negative.
        seed: of everything.
        held_out_families: take only families that training does not use, instead of only those that it does.
        held_out_wordings: the same for what the user says.
        families: take only these of them.

    Raises:
        ValueError: a negative index, or a family that is not among those the flag allows.
    """
    if index < 0:
        raise ValueError("an example's index cannot be negative")
    table = HELD_OUT_FAMILIES if held_out_families else FAMILIES
    names = list(table if families is None else families)
    if not names or not set(names) <= table.keys():
        raise ValueError(f"families must be some of {', '.join(table)}")
    rng = Random(f"reasoning/{seed}/{index}/{held_out_families}/{held_out_wordings}")
    family = rng.choice(names)
    problem = table[family](rng)
    right = work_out(problem)
    mistake = _draw_mistake(problem, rng)
    told = mistake.slip.reason if rng.random() < _SAYS_WHY else None
    return ReasoningExample(
        example_id=f"{family}-{seed}-{index}{'-held-out-wording' * held_out_wordings}",
        source=f"generated: {family}",
        problem=problem.text,
        steps=_with_answer(mistake.worked),
        first_wrong_step=mistake.place,
        follow_up=point_at(
            mistake.place, rng, text=mistake.worked.lines[mistake.place], reason=told, held_out=held_out_wordings
        ),
        corrected_steps=_with_answer(right),
        correction_is_complete=True,
        answer=format_number(right.values[-1]),
    )


def possible_mistakes(problem: WordProblem) -> tuple[Mistake, ...]:
    """Every mistake after which the step and the answer are wrong, and no number gives it away by making no sense."""
    right = work_out(problem)
    found: list[Mistake] = []
    for place, step in enumerate(problem.steps):
        for slip in (*step.slips, *derived_slips(step, numbers_at(problem, place))):
            try:
                worked = work_out(problem, slip_at=place, slip=slip)
            except ZeroDivisionError:
                continue
            changes = worked.values[place] != right.values[place] and worked.values[-1] != right.values[-1]
            makes_sense = problem.may_be_negative or all(value > 0 for value in worked.values)
            if changes and makes_sense:
                found.append(Mistake(place=place, slip=slip, worked=worked))
    return tuple(found)


def _draw_mistake(problem: WordProblem, rng: Random) -> Mistake:
    """A kind first, so that rare kinds are not drowned by those that many steps invite."""
    mistakes = possible_mistakes(problem)
    kind = rng.choice(sorted({mistake.slip.kind for mistake in mistakes}))
    return rng.choice([mistake for mistake in mistakes if mistake.slip.kind is kind])


def _with_answer(worked: Worked) -> tuple[str, ...]:
    return (*worked.lines[:-1], f"{worked.lines[-1]}\nAnswer: {format_number(worked.values[-1])}")
