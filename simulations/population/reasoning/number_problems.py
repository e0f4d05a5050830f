"""Word problems about unknown numbers: an equation, two ages, an average that changes."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from simulations.population.reasoning.answers import format_number
from simulations.population.reasoning.money_problems import NAMES
from simulations.population.reasoning.slips import CARRY, DROPPED, OFF_BY_ONE, OPERAND, SIGN, slip, step
from simulations.population.reasoning.working import WordProblem, exactly


def equation(rng: Random) -> WordProblem:
    """A linear equation with a bracket."""
    a, b, c = rng.randint(2, 9), rng.randint(2, 12), rng.randint(2, 30)
    x = Fraction(rng.randint(-12, 18), rng.choice([1, 1, 2]))
    d = a * (x + b) + c
    return WordProblem(
        family="equation",
        text=f"Solve {a}(x + {b}) + {c} = {format_number(d)} for x.",
        given=exactly(a=a, b=b, c=c, d=d),
        may_be_negative=True,
        steps=(
            step(
                "ab",
                "product",
                ("a", "b"),
                "Multiply out the bracket: {work}, so {a}x + {ab} + {c} = {d}.",
                slip(
                    DROPPED,
                    "sum",
                    ("b",),
                    "both terms in the bracket have to be multiplied",
                    "Multiply out the bracket: {a}x + {work} + {c} = {d}.",
                ),
                slip(OPERAND, "sum", ("a", "b"), "you added the two numbers where you have to multiply them"),
            ),
            step(
                "constant",
                "sum",
                ("ab", "c"),
                "Put the constants together: {work}, so {a}x + {constant} = {d}.",
                derived=(CARRY, SIGN),
            ),
            step(
                "right",
                "difference",
                ("d", "constant"),
                "Take the constant to the other side: {work}, so {a}x = {right}.",
                derived=(SIGN,),
            ),
            step(
                "x",
                "quotient",
                ("right", "a"),
                "Divide by {a}: {work}, so x = {x}.",
                slip(
                    OPERAND,
                    "difference",
                    ("right", "a"),
                    f"the {a} is a factor, so you have to divide by it",
                    "Take away {a}: {work}, so x = {x}.",
                ),
            ),
        ),
    )


def ages(rng: Random) -> WordProblem:
    """Two ages from their sum and difference."""
    older_name, younger_name = rng.sample(NAMES, 2)
    younger, apart, later = rng.randint(4, 40), rng.randint(2, 29), rng.randint(2, 12)
    return WordProblem(
        family="ages",
        text=(
            f"{older_name} is {apart} years older than {younger_name}, and together they are {2 * younger + apart} "
            f"years old. What will the product of their ages be in {later} years?"
        ),
        given=exactly(apart=apart, together=2 * younger + apart, later=later, two=2),
        steps=(
            step(
                "doubled",
                "sum",
                ("together", "apart"),
                f"Twice {older_name}'s age is {{work}}.",
                derived=(CARRY, SIGN),
            ),
            step("older", "quotient", ("doubled", "two"), f"So {older_name} is {{work}} years old."),
            step(
                "younger",
                "difference",
                ("older", "apart"),
                f"{younger_name} is {{work}} years old.",
                derived=(CARRY, SIGN),
            ),
            step(
                "older_later",
                "sum",
                ("older", "later"),
                f"In {later} years {older_name} will be {{work}}.",
                derived=(CARRY, SIGN),
            ),
            step(
                "younger_later",
                "sum",
                ("younger", "later"),
                f"Then {younger_name} will be {{work}}.",
                slip(OPERAND, "sum", ("older", "later"), f"that is {older_name}'s age again"),
                slip(DROPPED, "sum", ("younger",), f"you left out the {later} years", f"{younger_name} is {{work}}."),
            ),
            step(
                "product",
                "product",
                ("older_later", "younger_later"),
                "The product of the ages is {work}.",
                slip(OPERAND, "sum", ("older_later", "younger_later"), "a product is asked for and not a sum"),
            ),
        ),
    )


def average(rng: Random) -> WordProblem:
    """An average after one more value, less a penalty."""
    name, played, mean = rng.choice(NAMES), rng.randint(4, 15), rng.randint(6, 30)
    score, penalty = rng.randint(31, 60), rng.randint(2, 9)
    return WordProblem(
        family="average",
        text=(
            f"In {played} games {name} scores {mean} points on average. In one more game {name} scores {score} points, "
            f"but {penalty} points are taken off the total as a penalty. What is the average over all games now?"
        ),
        given=exactly(played=played, mean=mean, score=score, penalty=penalty, one=1),
        steps=(
            step("total", "product", ("played", "mean"), "The first games bring {work} points."),
            step(
                "more",
                "sum",
                ("total", "score"),
                "With the new game that is {work} points.",
                slip(OPERAND, "sum", ("mean", "score"), "you added the new score to the average and not to the total"),
            ),
            step(
                "less",
                "difference",
                ("more", "penalty"),
                "After the penalty {work} points are left.",
                derived=(CARRY, SIGN),
            ),
            step(
                "games",
                "sum",
                ("played", "one"),
                "There are {work} games now.",
                slip(
                    OFF_BY_ONE,
                    "sum",
                    ("played",),
                    "the new game has to be counted too",
                    "The number of games is {work}.",
                ),
            ),
            step(
                "now",
                "quotient",
                ("less", "games"),
                "So the average is {work} points.",
                slip(OPERAND, "quotient", ("more", "games"), "you forgot the penalty"),
            ),
        ),
    )
