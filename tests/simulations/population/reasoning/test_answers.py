"""Whether an answer is right: exact values whatever their form, and no guess where the answer is not clear."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.population.reasoning.answers import check_answer, final_answer, format_number, parse_number

NUMBERS: dict[str, Fraction] = {
    "12": Fraction(12),
    "-3": Fraction(-3),
    "−7": Fraction(-7),
    "+5": Fraction(5),
    "1,000": Fraction(1000),
    r"40,\!000": Fraction(40_000),
    "12{,}500": Fraction(12_500),
    "1/2": Fraction(1, 2),
    "2/4": Fraction(1, 2),
    "-3 / 4": Fraction(-3, 4),
    ".5": Fraction(1, 2),
    "12.": Fraction(12),
    "3.50": Fraction(7, 2),
    "7 3/4": Fraction(31, 4),
    "-7 3/4": Fraction(-31, 4),
    r"\frac{1}{2}": Fraction(1, 2),
    r"-\dfrac{3}{4}": Fraction(-3, 4),
    r"\frac{-1}{2}": Fraction(-1, 2),
    r"7\tfrac34": Fraction(31, 4),
    r"50\%": Fraction(50),
    "$12.50": Fraction(25, 2),
    "**8**": Fraction(8),
    "12 dollars": Fraction(12),
    "12 square metres.": Fraction(12),
    r"12\text{ cm}": Fraction(12),
    r"90^\circ": Fraction(90),
    "x = 12": Fraction(12),
}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_read_exactly(text: str) -> None:
    assert parse_number(text) == NUMBERS[text]


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "abc", "x", "12x", "x^2", "2x + 1", "3, 4", "(3, 4)", "1/0", "12 34", "1,00", "1e5", "12_8", "½"),
        *(r"2\pi", "2 pi", "3 million", "12 or 13", r"\frac{1}{0}", r"\frac{1}{x}", "3:4", "1/2/3", "--3", "9" * 5000),
    ],
)
def test_what_is_not_one_number_is_none(text: str) -> None:
    assert parse_number(text) is None


@given(st.fractions(max_denominator=10_000))
def test_a_number_survives_being_written(value: Fraction) -> None:
    assert parse_number(format_number(value)) == value
    assert check_answer(f"So it is done.\nAnswer: {format_number(value)}", value)
    assert check_answer(rf"Hence \boxed{{{format_number(value)}}}.", format_number(value))
    assert not check_answer(f"Answer: {format_number(value + 1)}", value)


def test_short_decimals_are_written_as_such() -> None:
    assert [format_number(Fraction(*parts)) for parts in [(7, 2), (-1, 8), (5, 100), (1, 3), (1, 16), (-4, 1)]] == [
        "3.5",
        "-0.125",
        "0.05",
        "1/3",
        "1/16",
        "-4",
    ]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (r"First \boxed{3}, no: \boxed{\frac{1}{2}} is it.", r"\frac{1}{2}"),
        ("Steps.\n\n# Answer\n\n320,000", "320,000"),
        ("# Answer\n1\nmore\n# Answer\n\n2", "2"),
        ("The answer is 3. No, the answer is 4.", "4."),
        ("Answer: 5\nThat was answer: ", "5"),
        ("**Answer:** 17/2", "17/2"),
        ("It costs 7 and then 8 dollars.", "8"),
        ("No idea.", None),
        ("", None),
        ("# Answer", None),
        (r"\boxed{3", "3"),
    ],
)
def test_the_last_answer_given_counts(reply: str, answer: str | None) -> None:
    assert final_answer(reply) == answer


@pytest.mark.parametrize(
    ("reply", "truth", "right"),
    [
        ("Answer: 0.5", "1/2", True),
        ("Answer: 0.33", "1/3", False),
        ("Answer: 12 dollars.", "12", True),
        ("The answer is that 12 apples are left.", 12, True),
        ("The answer is 12, because 4 times 3 is 12.", 12, True),
        ("The answer is 12 or 13.", 12, False),
        ("The answer is between 11 and 13", 12, False),
        ("The answer is 3x", 3, False),
        ("Answer: 3 + 4", 4, False),
        ("Answer: 5-3", 5, False),
        ("no idea", 3, False),
        ("", 0, False),
        (r"\boxed{\text{Evelyn}}", r"\text{Evelyn}", True),
        ("# Answer\n\nEvelyn", r"\text{Evelyn}", True),
        ("# Answer\n\nx^2 + 2x", "x^2+2x", True),
        ("# Answer\n\n2x + x^2", "x^2+2x", False),  # equal by algebra, which is not looked at
        (r"# Answer" + "\n\n" + r"\left( 3, \dfrac{\pi}{2} \right)", r"(3,\frac{\pi}{2})", True),
        ("# Answer\n\n12", "x^2", False),
        ("# Answer\n\nx^2", "12", False),
    ],
)
def test_answers_are_checked_by_value(reply: str, truth: str | int, right: bool) -> None:
    assert check_answer(reply, truth) is right


@given(st.text(max_size=200), st.text(max_size=30))
def test_no_text_breaks_the_check(reply: str, truth: str) -> None:
    assert check_answer(reply, truth) in (True, False)
