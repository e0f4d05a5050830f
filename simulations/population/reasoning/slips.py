"""Mistakes that people make: those that a step invites, and those of arithmetic itself (carries, signs, terms)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from simulations.population.reasoning.answers import format_number
from simulations.population.reasoning.working import ErrorKind, Operand, Operation, Slip, WorkStep

CARRY, DROPPED, OFF_BY_ONE = ErrorKind.CARRY, ErrorKind.DROPPED_TERM, ErrorKind.OFF_BY_ONE
OPERAND, SIGN, UNIT = ErrorKind.WRONG_OPERAND, ErrorKind.SIGN, ErrorKind.UNIT

_MINIMUM_TERMS = 3  # of a sum, for one of them to be forgotten


def step(
    result: str,
    operation: Operation,
    operands: tuple[Operand, ...],
    wording: str,
    *slips: Slip,
    derived: tuple[ErrorKind, ...] = (CARRY,),
) -> WorkStep:
    """A `WorkStep`, in the order in which a family is written down."""
    return WorkStep(
        result=result, operation=operation, operands=operands, wording=wording, slips=slips, derived=derived
    )


def slip(kind: ErrorKind, operation: Operation, operands: tuple[Operand, ...], reason: str, wording: str = "") -> Slip:
    """A `Slip` that only one step invites, in which the arithmetic is right and what is computed is not."""
    return Slip(kind=kind, operation=operation, operands=operands, reason=reason, wording=wording or None)


def derived_slips(step: WorkStep, numbers: list[Fraction]) -> Iterator[Slip]:
    """The slips that a step's operation allows, of the kinds that the step names.

    Args:
        step: the step.
        numbers: its operands, right ones.
    """
    if CARRY in step.derived:
        claim = without_carry(step.operation, numbers)
        if claim is not None:
            yield Slip(
                kind=CARRY,
                operation=step.operation,
                operands=step.operands,
                reason="you forgot to borrow" if step.operation == "difference" else "you forgot to carry",
                claim=claim,
            )
    if SIGN in step.derived and step.operation in ("sum", "difference"):
        adds = step.operation == "difference"
        yield Slip(
            kind=SIGN,
            operation="sum" if adds else "difference",
            operands=step.operands,
            reason="you added where you have to subtract" if adds else "you subtracted where you have to add",
        )
    if DROPPED in step.derived and step.operation == "sum" and len(numbers) >= _MINIMUM_TERMS:
        for place, number in enumerate(numbers):
            yield Slip(
                kind=DROPPED,
                operation="sum",
                operands=step.operands[:place] + step.operands[place + 1 :],
                reason=f"you left out the {format_number(number)}",
            )


def without_carry(operation: Operation, numbers: list[Fraction]) -> Fraction | None:
    """What two whole numbers give when the first carry (or borrow) is forgotten; None where there is none to forget."""
    if len(numbers) != 2 or any(number.denominator != 1 or number < 0 for number in numbers):
        return None
    first, second = (number.numerator for number in numbers)
    if operation == "sum":
        place = _first_carry(first, second)
        return None if place is None else Fraction(first + second - 10 ** (place + 1))
    if operation == "difference":
        # Nothing is taken from the next digit, so the result is one ten of the place too large.
        place = _first_borrow(first, second) if first >= second else None
        return None if place is None else Fraction(first - second + 10 ** (place + 1))
    if operation == "product":
        carried = _carried_in_product(first, second)
        return None if carried == 0 else Fraction(first * second - carried)
    return None


def _first_carry(first: int, second: int) -> int | None:
    place = 0
    while first or second:
        if first % 10 + second % 10 >= 10:
            return place
        first, second, place = first // 10, second // 10, place + 1
    return None


def _first_borrow(first: int, second: int) -> int | None:
    place = 0
    while second:
        if first % 10 < second % 10:
            return place
        first, second, place = first // 10, second // 10, place + 1
    return None


def _carried_in_product(first: int, second: int) -> int:
    """What is carried out of the units when one factor has a single digit and the other two or more; else 0."""
    small, large = sorted((first, second))
    if not 1 < small < 10 <= large:
        return 0
    return small * (large % 10) // 10 * 10
