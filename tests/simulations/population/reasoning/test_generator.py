"""Generated mistakes: the step named is the first wrong one, the revision is right and the reply wrong.

Truth is told by other means than the generator's: every sum in a text is done again, and each family's answer is
computed by a formula from the numbers in the problem's own words.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.population.reasoning.answers import check_answer, parse_number
from simulations.population.reasoning.example import ReasoningExample
from simulations.population.reasoning.follow_ups import HELD_OUT_WHERE, HELD_OUT_WHY, WHERE, WHY, point_at
from simulations.population.reasoning.generator import (
    FAMILIES,
    HELD_OUT_FAMILIES,
    generate_example,
    generate_examples,
    possible_mistakes,
)
from simulations.population.reasoning.slips import slip, step, without_carry
from simulations.population.reasoning.working import (
    ErrorKind,
    Operand,
    Operation,
    WordProblem,
    WorkStep,
    exactly,
    work_out,
)

ALL = {**FAMILIES, **HELD_OUT_FAMILIES}
Numbers = list[Fraction]
OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
# A computation and its result: "2 * 4.5 = 9", "(11/30) - (1/30) = 1/3"; not the tail of an equation in x.
WORK = re.compile(r"(?<!x \+ )(?<![\d.])((?:\(?-?\d[\d./]*\)?)(?: [-+*/] (?:\(?-?\d[\d./]*\)?))+) = (-?\d[\d./]*)")


def evaluate(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left), evaluate(node.right))
    if isinstance(node, ast.UnaryOp):
        return -evaluate(node.operand)
    assert isinstance(node, ast.Constant)
    return Fraction(str(node.value))


def adds_up(said: str) -> bool:
    """Whether every computation in a step is right."""
    return all(
        evaluate(ast.parse(work, mode="eval").body) == Fraction(result.rstrip("."))
        for work, result in WORK.findall(said)
    )


def speed(n: Numbers) -> Fraction:
    minutes, v, hours, w = n
    return (v * minutes / 60 + w * hours) / (minutes / 60 + hours)


def paid(n: Numbers) -> Fraction:
    price, rate, tax, delivery = n
    return price * (1 - rate / 100) * (1 + tax / 100) + delivery


def fence_cost(n: Numbers) -> Fraction:
    length, spacing, post, rail, fee = n
    return (length / spacing + 1) * post + length / spacing * rail + fee


def tiles(n: Numbers) -> Fraction:
    length, width, cut, across, side, price = n
    return (length * width - cut * across) / (side / 100) ** 2 * price


def product_of_ages(n: Numbers) -> Fraction:
    apart, together, later = n
    return ((together + apart) / 2 + later) * ((together - apart) / 2 + later)


def children(n: Numbers) -> Fraction:
    count, money, adult, child = n
    return (adult * count - money) / (adult - child)


def percent(n: Numbers) -> Fraction:
    first, p, second, q, water = n
    return (first * p + second * q) / (first + second + water)


TRUTH: dict[str, Callable[[Numbers], Fraction]] = {
    "shopping": lambda n: n[5] - (n[0] * n[1] + n[2] * n[3] - n[4]),
    "sale": paid,
    "interest": lambda n: n[0] * (1 + n[1] / 100 * n[2] / 12) - n[3],
    "fence": fence_cost,
    "journey": speed,
    "pumps": lambda n: 1 / (1 / n[0] + 1 / n[1] - 1 / n[2]),
    "recipe": lambda n: (n[1] + n[2]) * n[4] / n[0] * n[3],
    "floor": tiles,
    "equation": lambda n: (n[3] - n[2]) / n[0] - n[1],
    "ages": product_of_ages,
    "average": lambda n: (n[0] * n[1] + n[2] - n[3]) / (n[0] + 1),
    "tickets": children,
    "timetable": lambda n: (n[1] * 60 / n[0] + 1) * n[2] - n[3],
    "mixture": percent,
}


def numbers_of(problem: str) -> Numbers:
    return [Fraction(number) for number in re.findall(r"-?\d+(?:\.\d+)?", problem)]


def named_step(follow_up: str, steps: int) -> set[int]:
    """The places that a follow-up names, by number after "step" or by ordinal before it."""
    words = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"][:steps]
    by_number = {int(number) - 1 for number in re.findall(r"[Ss]tep (\d+)", follow_up)}
    return by_number | {place for place, word in enumerate(words) if f"{word} step" in follow_up.lower()}


def check(example: ReasoningExample) -> None:
    at = example.first_wrong_step
    corrected = example.corrected_steps
    assert corrected is not None
    assert len(corrected) == len(example.steps)
    assert example.steps[:at] == corrected[:at]
    assert example.steps[at] != corrected[at]
    assert all(adds_up(said) for said in corrected)
    assert all(adds_up(said) for place, said in enumerate(example.steps) if place != at)  # later steps follow from it
    family = example.source.removeprefix("generated: ")
    truth = TRUTH[family](numbers_of(example.problem))
    assert parse_number(example.answer) == truth
    assert example.revision is not None
    assert check_answer(example.revision, truth)
    assert not check_answer(example.reply, truth)
    assert named_step(example.follow_up, len(example.steps)) == {at}


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.booleans())
@settings(max_examples=80, deadline=None)
def test_the_named_step_is_the_first_wrong_one(index: int, seed: int, families: bool, wordings: bool) -> None:
    example = generate_example(index, seed=seed, held_out_families=families, held_out_wordings=wordings)
    check(example)
    assert example == generate_example(index, seed=seed, held_out_families=families, held_out_wordings=wordings)


@pytest.mark.parametrize("family", ALL)
def test_every_mistake_of_every_family_is_one(family: str) -> None:
    kinds: Counter[ErrorKind] = Counter()
    for seed in range(20):
        problem = ALL[family](Random(seed))
        right = work_out(problem)
        truth = TRUTH[family](numbers_of(problem.text))
        assert right.values[-1] == truth
        assert problem.may_be_negative or min(right.values) > 0
        assert all(adds_up(line) for line in right.lines)
        mistakes = possible_mistakes(problem)
        assert len(mistakes) >= 2
        for mistake in mistakes:
            kinds[mistake.slip.kind] += 1
            lines, values = mistake.worked.lines, mistake.worked.values
            assert lines[: mistake.place] == right.lines[: mistake.place]
            assert lines[mistake.place] != right.lines[mistake.place]
            assert values[mistake.place] != right.values[mistake.place]
            assert values[-1] != truth
            # The arithmetic itself slips only where the mistake is a carry.
            assert adds_up(lines[mistake.place]) == (mistake.slip.kind is not ErrorKind.CARRY)
            assert all(adds_up(line) for line in lines[mistake.place + 1 :])
    assert len(kinds) >= 3


def test_mistakes_that_cancel_out_or_make_no_sense_are_not_made() -> None:
    def problem(last: WorkStep, *, may_be_negative: bool = False) -> WordProblem:
        doubled = slip(ErrorKind.WRONG_OPERAND, "sum", ("a", "a"), "you added a number to itself")
        first = step("first", "difference", ("a", "b"), "{work}", doubled, derived=())
        return WordProblem(
            family="made", text="", given=exactly(a=5, b=3), steps=(first, last), may_be_negative=may_be_negative
        )

    def last(operation: Operation, *operands: Operand) -> WorkStep:
        return step("last", operation, operands, "{work}", derived=())

    assert len(possible_mistakes(problem(last("product", "first", "a")))) == 1
    assert not possible_mistakes(problem(last("quotient", "first", "first")))  # 1, whatever came before
    falls_below_zero = last("difference", Fraction(4), "first")
    assert not possible_mistakes(problem(falls_below_zero))
    assert len(possible_mistakes(problem(falls_below_zero, may_be_negative=True))) == 1
    by_nothing = WordProblem(
        family="made",
        text="",
        given=exactly(a=5, b=3),
        steps=(
            step("first", "difference", ("a", "b"), "{work}", slip(ErrorKind.SIGN, "difference", ("a", "a"), "no")),
            last("quotient", "a", "first"),
        ),
        may_be_negative=True,
    )
    assert not possible_mistakes(by_nothing)  # nobody divides by the zero that the slip leaves


def test_all_kinds_and_families_occur_and_none_that_is_held_out() -> None:
    examples = list(generate_examples(200, seed=3))
    assert {example.source.removeprefix("generated: ") for example in examples} == set(FAMILIES)
    assert len(FAMILIES) >= 8
    assert not set(FAMILIES) & set(HELD_OUT_FAMILIES)
    held_out = list(generate_examples(60, seed=3, held_out_families=True))
    assert {example.source.removeprefix("generated: ") for example in held_out} == set(HELD_OUT_FAMILIES)
    kinds = {mistake.slip.kind for make in FAMILIES.values() for mistake in possible_mistakes(make(Random(1)))}
    assert kinds == set(ErrorKind)
    assert len({example.example_id for example in [*examples, *held_out]}) == 260
    assert len({example.first_wrong_step for example in examples}) >= 5


def test_wordings_that_are_held_out_are_never_said_in_training() -> None:
    said = [point_at(2, Random(seed), text="t", reason=r) for seed in range(300) for r in (None, "you forgot to carry")]
    held_out = [
        point_at(2, Random(seed), text="t", reason=r, held_out=True)
        for seed in range(300)
        for r in (None, "you forgot to carry")
    ]
    assert not set(said) & set(held_out)
    assert (len(set(said)), len(set(held_out))) == (len(WHERE) + len(WHY), len(HELD_OUT_WHERE) + len(HELD_OUT_WHY))
    reasons = [example for example in generate_examples(200, seed=5) if "because" in example.follow_up]
    assert reasons  # at times the user says why


def test_a_follow_up_quotes_little_and_counts_beyond_words() -> None:
    long = "word " * 100 + "{braces}\nand lines"
    for seed in range(60):
        said = point_at(20, Random(seed), text=long)
        assert len(said) < 160
        assert "step 21" in said.lower() or "21st" in said
    assert any("11th" in point_at(110, Random(seed), text="t") for seed in range(60))


def test_families_can_be_chosen_and_a_wrong_choice_is_refused() -> None:
    examples = list(generate_examples(20, seed=1, families=["pumps", "fence"]))
    assert {example.source for example in examples} == {"generated: pumps", "generated: fence"}
    for families in ([], ["tickets"], ["poetry"]):
        with pytest.raises(ValueError, match="families must be some of shopping"):
            generate_example(0, seed=1, families=families)
    with pytest.raises(ValueError, match="negative"):
        generate_example(-1, seed=1)


@pytest.mark.parametrize(
    ("operation", "numbers", "claim"),
    [
        ("sum", (47, 38), 75),
        ("sum", (41, 38), None),
        ("sum", (60, 70), 30),
        ("difference", (52, 38), 24),
        ("difference", (58, 32), None),
        ("difference", (3, 8), None),
        ("product", (7, 38), 216),
        ("product", (38, 7), 216),
        ("product", (2, 34), None),
        ("product", (12, 34), None),
        ("quotient", (12, 5), None),
    ],
)
def test_a_forgotten_carry(operation: str, numbers: tuple[int, int], claim: int | None) -> None:
    found = without_carry(operation, [Fraction(number) for number in numbers])  # type: ignore[arg-type]
    assert found == claim
    assert without_carry("sum", [Fraction(1, 2), Fraction(38)]) is None
    assert without_carry("sum", [Fraction(7), Fraction(8), Fraction(9)]) is None


def test_an_example_becomes_a_conversation_and_a_pair() -> None:
    example = generate_example(4, seed=9)
    logged = example.as_conversation()
    assert [message.role for message in logged.messages] == ["user", "assistant", "user"]
    assert [message.content for message in logged.messages] == [example.problem, example.reply, example.follow_up]
    pair = example.as_pair()
    assert [message.content for message in pair.prompt] == [example.problem]
    assert (pair.chosen[0].content, pair.rejected[0].content) == (example.revision, example.reply)
    assert (pair.origin, pair.persona) == ("rewrite", None)
    assert example.problem not in repr(example)
    assert example.reply.startswith("Step 1: ")


def test_an_example_cannot_contradict_itself() -> None:
    def example(corrected: tuple[str, ...] | None, at: int = 1) -> ReasoningExample:
        return ReasoningExample(
            example_id="e",
            source="generated: none",
            problem="p",
            steps=("a", "b", "c"),
            first_wrong_step=at,
            follow_up="step 2 is wrong",
            corrected_steps=corrected,
            correction_is_complete=False,
            answer="1",
        )

    partial = example(("a", "B"))
    assert partial.as_pair().rejected[0].content == "Step 1: a\nStep 2: b"
    assert partial.reply.endswith("Step 3: c")
    nothing = example(None)
    assert nothing.revision is None
    with pytest.raises(ValueError, match="without a correction"):
        nothing.as_pair()
    for corrected in (("a",), ("A", "B"), ("a", "b", "C")):
        with pytest.raises(ValueError, match="a correction must"):
            example(corrected)
    with pytest.raises(ValueError, match="one of the steps"):
        example(None, at=3)
