"""Word problems about rates and measures: a journey, pumps, a recipe, a floor."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from simulations.population.reasoning.money_problems import NAMES
from simulations.population.reasoning.slips import CARRY, DROPPED, OPERAND, SIGN, UNIT, slip, step
from simulations.population.reasoning.working import WordProblem, exactly


def journey(rng: Random) -> WordProblem:
    """Minutes and hours, and an average speed."""
    name = rng.choice(NAMES)
    minutes, v = rng.choice([20, 30, 40, 45, 50, 75, 90, 100, 105]), rng.choice([12, 15, 18, 21, 24, 30])
    hours, w = rng.randint(2, 4), rng.choice([3, 4, 5, 6])
    return WordProblem(
        family="journey",
        text=(
            f"{name} cycles for {minutes} minutes at {v} km per hour and then walks for {hours} hours at {w} km per "
            f"hour. What is the average speed of the whole trip in km per hour?"
        ),
        given=exactly(minutes=minutes, v=v, hours=hours, w=w, sixty=60, hundred=100),
        steps=(
            step(
                "cycling",
                "quotient",
                ("minutes", "sixty"),
                "In hours, the cycling takes {work}.",
                slip(UNIT, "quotient", ("minutes", "hundred"), "an hour has 60 minutes and not 100"),
            ),
            step(
                "cycled",
                "product",
                ("v", "cycling"),
                "So the cycling covers {work} km.",
                slip(UNIT, "product", ("v", "minutes"), "you multiplied km per hour by minutes"),
                slip(OPERAND, "product", ("w", "cycling"), "you used the walking speed"),
            ),
            step(
                "walked",
                "product",
                ("w", "hours"),
                "The walk covers {work} km.",
                slip(OPERAND, "product", ("v", "hours"), "you used the cycling speed"),
            ),
            step("distance", "sum", ("cycled", "walked"), "The whole distance is {work} km."),
            step(
                "time",
                "sum",
                ("cycling", "hours"),
                "The whole time is {work} hours.",
                slip(UNIT, "sum", ("minutes", "hours"), "you added minutes to hours"),
            ),
            step(
                "speed",
                "quotient",
                ("distance", "time"),
                "So the average speed is {work} km per hour.",
                slip(DROPPED, "quotient", ("distance", "hours"), "you left out the time on the bicycle"),
                slip(OPERAND, "quotient", ("time", "distance"), "you divided the wrong way round"),
            ),
        ),
    )


def pumps(rng: Random) -> WordProblem:
    """Rates of work: two inlets and a leak."""
    a, b = rng.sample(range(2, 16), 2)
    leak = rng.randint(16, 40)  # slower than either pump, so that the tank does fill
    return WordProblem(
        family="pumps",
        text=(
            f"One pump fills a tank in {a} hours, another fills it in {b} hours, and a leak empties the full tank in "
            f"{leak} hours. With both pumps on and the leak open, in how many hours is the empty tank full?"
        ),
        given=exactly(one=1, a=a, b=b, leak=leak, two=2, both=a + b),
        steps=(
            step("rate_a", "quotient", ("one", "a"), "In an hour the first pump fills this part of the tank: {work}."),
            step(
                "rate_b",
                "quotient",
                ("one", "b"),
                "In an hour the second pump fills {work}.",
                slip(OPERAND, "quotient", ("one", "a"), "those are the hours of the first pump"),
            ),
            step("rate_leak", "quotient", ("one", "leak"), "In an hour the leak empties {work}."),
            step(
                "filled",
                "sum",
                ("rate_a", "rate_b"),
                "Both pumps together fill {work} in an hour.",
                slip(
                    OPERAND, "quotient", ("two", "both"), "fractions are not added upper with upper, lower with lower"
                ),
            ),
            step(
                "net",
                "difference",
                ("filled", "rate_leak"),
                "With the leak open, {work} of the tank is gained in an hour.",
                slip(
                    DROPPED, "sum", ("filled",), "you left out the leak", "So {work} of the tank is gained in an hour."
                ),
                derived=(SIGN,),
            ),
            step(
                "hours",
                "quotient",
                ("one", "net"),
                "So it takes {work} hours.",
                slip(OPERAND, "quotient", ("one", "filled"), "you used what is filled without the leak"),
            ),
        ),
    )


def recipe(rng: Random) -> WordProblem:
    """Scaling for more people, and spoons instead of cups."""
    dish, name = rng.choice(("pancakes", "dumplings", "flatbreads", "muffins")), rng.choice(NAMES)
    few = rng.choice([2, 4, 5, 8])
    many = rng.choice([people for people in (6, 9, 10, 12, 14, 18, 20, 22) if people > few])
    flour = rng.randint(2, 6)
    sugar = rng.choice([cups for cups in (1, 2, 3, 4) if cups != flour])
    return WordProblem(
        family="recipe",
        text=(
            f"{name}'s {dish} for {few} people take {flour} cups of flour and {sugar} cups of sugar. A cup is 16 "
            f"tablespoons. How many tablespoons of flour and sugar together do {many} people need?"
        ),
        given=exactly(few=few, many=many, flour=flour, sugar=sugar, spoons=16, ten=10),
        steps=(
            step(
                "factor",
                "quotient",
                ("many", "few"),
                "Everything is multiplied by {work}.",
                slip(OPERAND, "quotient", ("few", "many"), "you divided the wrong way round"),
                slip(OPERAND, "difference", ("many", "few"), "the factor is a quotient and not a difference"),
            ),
            step(
                "more_flour",
                "product",
                ("flour", "factor"),
                "That makes {work} cups of flour.",
                slip(OPERAND, "sum", ("flour", "factor"), "you added the factor where you have to multiply by it"),
            ),
            step(
                "more_sugar",
                "product",
                ("sugar", "factor"),
                "It makes {work} cups of sugar.",
                slip(OPERAND, "product", ("flour", "factor"), "you scaled the flour a second time"),
            ),
            step(
                "cups",
                "sum",
                ("more_flour", "more_sugar"),
                "Together these are {work} cups.",
                slip(DROPPED, "sum", ("more_flour",), "you left out the sugar", "These are {work} cups."),
            ),
            step(
                "tablespoons",
                "product",
                ("cups", "spoons"),
                "In tablespoons that is {work}.",
                slip(UNIT, "product", ("cups", "ten"), "a cup is 16 tablespoons and not 10"),
                slip(UNIT, "quotient", ("cups", "spoons"), "there are more tablespoons than cups, so you multiply"),
            ),
        ),
    )


def floor(rng: Random) -> WordProblem:
    """Areas: a room without a corner, tiled."""
    side = rng.choice([20, 25, 50])
    length, width = rng.randint(4, 12), rng.randint(3, 9)
    cut, across = rng.randint(1, 3), rng.randint(1, 2)
    price = Fraction(rng.randint(2, 9))
    return WordProblem(
        family="floor",
        text=(
            f"A room is {length} m long and {width} m wide, but a corner of {cut} m by {across} m is not tiled. The "
            f"tiles are squares of {side} cm. A tile costs {price} dollars. What do the tiles cost in dollars?"
        ),
        given=exactly(
            length=length, width=width, cut=cut, across=across, side=side, price=price, square_cm=10_000, hundred=100
        ),
        steps=(
            step(
                "whole",
                "product",
                ("length", "width"),
                "The whole room has {work} square metres.",
                slip(OPERAND, "sum", ("length", "width"), "an area is a product and not a sum"),
            ),
            step("corner", "product", ("cut", "across"), "The corner has {work} square metres."),
            step(
                "area",
                "difference",
                ("whole", "corner"),
                "So {work} square metres are tiled.",
                derived=(CARRY, SIGN),
            ),
            step(
                "area_cm",
                "product",
                ("area", "square_cm"),
                "In square centimetres that is {work}.",
                slip(UNIT, "product", ("area", "hundred"), "a square metre has 10000 square centimetres and not 100"),
            ),
            step(
                "tile",
                "product",
                ("side", "side"),
                "A tile has {work} square centimetres.",
                slip(OPERAND, "sum", ("side", "side"), "the area of a square is its side times its side"),
            ),
            step("tiles", "quotient", ("area_cm", "tile"), "The number of tiles is {work}."),
            step("cost", "product", ("tiles", "price"), "So the tiles cost {work} dollars."),
        ),
    )
