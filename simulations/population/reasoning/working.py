"""A word problem as steps of arithmetic that can be carried out, rightly or with one slip.

A step computes one quantity from earlier ones. Carrying out all of them rightly gives the solution; carrying them out
with a slip at one step, and rightly on its wrong result, gives the solution of somebody who made that mistake. So the
first wrong step is known by construction, and everything after it follows from the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Literal

from simulations.population.reasoning.answers import format_number

Operation = Literal["sum", "difference", "product", "quotient", "percent"]
Operand = str | Fraction

_SIGNS: dict[Operation, str] = {"sum": " + ", "difference": " - ", "product": " * ", "quotient": " / "}


class ErrorKind(StrEnum):
    """What went wrong in a step."""

    SIGN = "sign"
    CARRY = "carry"
    WRONG_OPERAND = "wrong operand"
    UNIT = "unit"
    OFF_BY_ONE = "off by one"
    DROPPED_TERM = "dropped term"


@dataclass(frozen=True, kw_only=True)
class Slip:
    """One way to get a step wrong.

    Attributes:
        kind: the error.
        operation, operands: what is computed instead; operands are names of quantities or numbers of their own.
        reason: what is wrong, as a clause that follows "because": "you used the price of the pens".
        claim: the value written after the equals sign where the arithmetic itself slips; None where it is right.
        wording: of the step, where the mistake reads differently; None keeps the step's.
    """

    kind: ErrorKind
    operation: Operation
    operands: tuple[Operand, ...]
    reason: str
    claim: Fraction | None = None
    wording: str | None = None


@dataclass(frozen=True, kw_only=True)
class WorkStep:
    """One step.

    Attributes:
        result: the name of the quantity that it computes.
        operation, operands: how, from quantities that are given or computed before.
        wording: a sentence for `str.format`, in which `{work}` is the computation ("3 * 4 = 12") and any quantity's
            name its value.
        slips: mistakes that only this step invites.
        derived: kinds of mistakes that follow from the operation alone (`slips.derived_slips`).
    """

    result: str
    operation: Operation
    operands: tuple[Operand, ...]
    wording: str
    slips: tuple[Slip, ...] = ()
    derived: tuple[ErrorKind, ...] = (ErrorKind.CARRY,)


@dataclass(frozen=True, kw_only=True)
class WordProblem:
    """A problem in words, what is given in it, and the steps that solve it; the last step's result is the answer.

    Attributes:
        may_be_negative: whether a quantity below zero makes sense (an unknown), or gives the mistake away (a price).
    """

    family: str
    text: str
    given: Mapping[str, Fraction]
    steps: tuple[WorkStep, ...]
    may_be_negative: bool = False


@dataclass(frozen=True, kw_only=True)
class Worked:
    """A problem carried out.

    Attributes:
        lines: (steps,) each step's sentence.
        works: (steps,) each step's computation alone.
        values: (steps,) each step's result.
    """

    lines: tuple[str, ...]
    works: tuple[str, ...]
    values: tuple[Fraction, ...]


def work_out(problem: WordProblem, *, slip_at: int | None = None, slip: Slip | None = None) -> Worked:
    """Carries out every step, the one at `slip_at` with `slip`.

    Raises:
        ZeroDivisionError: a step divides by a quantity that the slip made zero.
    """
    known = dict(problem.given)
    lines: list[str] = []
    works: list[str] = []
    values: list[Fraction] = []
    for place, step in enumerate(problem.steps):
        mistake = slip if place == slip_at else None
        operation = step.operation if mistake is None else mistake.operation
        numbers = [_value(operand, known) for operand in (step.operands if mistake is None else mistake.operands)]
        value = compute(operation, numbers)
        if mistake is not None and mistake.claim is not None:
            value = mistake.claim
        known[step.result] = value
        work = show_work(operation, numbers, value)
        wording = step.wording if mistake is None or mistake.wording is None else mistake.wording
        shown = {name: format_number(number) for name, number in known.items()}
        lines.append(wording.format_map({**shown, "work": work}))
        works.append(work)
        values.append(value)
    return Worked(lines=tuple(lines), works=tuple(works), values=tuple(values))


def exactly(**given: int | Fraction) -> Mapping[str, Fraction]:
    """Quantities by name, for `WordProblem.given`."""
    return {name: Fraction(value) for name, value in given.items()}


def numbers_at(problem: WordProblem, place: int) -> list[Fraction]:
    """The operands of a step where every step before it was right."""
    known = dict(problem.given)
    for step in problem.steps[:place]:
        known[step.result] = compute(step.operation, [_value(operand, known) for operand in step.operands])
    return [_value(operand, known) for operand in problem.steps[place].operands]


def compute(operation: Operation, numbers: list[Fraction]) -> Fraction:
    """The exact result. A percentage is of the second number; the others take any number of operands from one."""
    first, *rest = numbers
    if operation == "percent":
        (base,) = rest
        return first * base / 100
    for number in rest:
        if operation == "sum":
            first += number
        elif operation == "difference":
            first -= number
        elif operation == "product":
            first *= number
        else:
            first /= number
    return first


def show_work(operation: Operation, numbers: list[Fraction], value: Fraction) -> str:
    """ "3 * 4 = 12"; the value alone where nothing is computed; numbers that could be misread stand in brackets."""
    if len(numbers) == 1:
        return format_number(value)
    if operation == "percent":
        rate, base = numbers
        return f"{_bracketed(rate)} / 100 * {_bracketed(base)} = {format_number(value)}"
    return f"{_SIGNS[operation].join(_bracketed(number) for number in numbers)} = {format_number(value)}"


def _bracketed(number: Fraction) -> str:
    shown = format_number(number)
    return f"({shown})" if number < 0 or "/" in shown else shown


def _value(operand: Operand, known: Mapping[str, Fraction]) -> Fraction:
    return known[operand] if isinstance(operand, str) else operand
