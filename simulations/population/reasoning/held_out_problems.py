"""Families of word problems that training never sees: tickets of two kinds, a timetable, a mixture."""

from __future__ import annotations

from random import Random

from simulations.population.reasoning.slips import CARRY, DROPPED, OFF_BY_ONE, OPERAND, SIGN, UNIT, slip, step
from simulations.population.reasoning.working import WordProblem, exactly


def tickets(rng: Random) -> WordProblem:
    """Two unknowns, solved by supposing that all tickets are of one kind."""
    adults, children = rng.randint(8, 60), rng.randint(7, 70)
    child = rng.randint(3, 9)
    adult = child + rng.randint(2, 9)
    event = rng.choice(("concert", "play", "match", "fair"))
    return WordProblem(
        family="tickets",
        text=(
            f"{adults + children} tickets for a {event} bring {adults * adult + children * child} dollars. An adult's "
            f"ticket costs {adult} dollars and a child's {child} dollars. How many children's tickets were there?"
        ),
        given=exactly(all=adults + children, money=adults * adult + children * child, adult=adult, child=child),
        steps=(
            step(
                "supposed",
                "product",
                ("all", "child"),
                "If all were children's tickets, they would bring {work} dollars.",
                slip(OPERAND, "product", ("all", "adult"), "that is the price of an adult's ticket"),
            ),
            step(
                "extra",
                "difference",
                ("money", "supposed"),
                "The adults' tickets bring this much more: {work} dollars.",
                derived=(CARRY, SIGN),
            ),
            step(
                "apart",
                "difference",
                ("adult", "child"),
                "Each adult's ticket brings {work} dollars more than a child's.",
                derived=(CARRY, SIGN),
            ),
            step(
                "adults",
                "quotient",
                ("extra", "apart"),
                "So the number of adults' tickets is {work}.",
                slip(OPERAND, "quotient", ("extra", "adult"), "you divided by the whole price of an adult's ticket"),
            ),
            step(
                "children",
                "difference",
                ("all", "adults"),
                "So the number of children's tickets is {work}.",
                derived=(CARRY, SIGN),
            ),
        ),
    )


def timetable(rng: Random) -> WordProblem:
    """Departures, with one at both ends."""
    every = rng.choice([5, 6, 10, 12, 15, 20])
    hours, seats = rng.randint(2, 9), rng.randint(18, 60)
    people = rng.randint(40, 400) % (hours * 60 // every * seats) + 10
    vehicle = rng.choice(("bus", "ferry", "train", "tram"))
    return WordProblem(
        family="timetable",
        text=(
            f"A {vehicle} leaves every {every} minutes for {hours} hours, the first at the very beginning and the last "
            f"at the very end. Each has {seats} seats, and {people} people travel. How many seats stay empty?"
        ),
        given=exactly(every=every, hours=hours, seats=seats, people=people, sixty=60, hundred=100, one=1),
        steps=(
            step(
                "minutes",
                "product",
                ("hours", "sixty"),
                "In minutes, the time is {work}.",
                slip(UNIT, "product", ("hours", "hundred"), "an hour has 60 minutes and not 100"),
            ),
            step("waits", "quotient", ("minutes", "every"), "That makes {work} waits between departures."),
            step(
                "departures",
                "sum",
                ("waits", "one"),
                "With the one at the beginning there are {work} departures.",
                slip(
                    OFF_BY_ONE,
                    "sum",
                    ("waits",),
                    "there is one departure more than there are waits",
                    "So there are {work} departures.",
                ),
            ),
            step("offered", "product", ("departures", "seats"), "They have {work} seats."),
            step("empty", "difference", ("offered", "people"), "So {work} seats stay empty.", derived=(CARRY, SIGN)),
        ),
    )


def mixture(rng: Random) -> WordProblem:
    """Two solutions poured together, then thinned."""
    p, q = rng.sample([5, 8, 10, 12, 15, 20, 25, 30, 40], 2)
    first, second, water = rng.randint(2, 14), rng.randint(2, 14), rng.randint(1, 9)
    stuff = rng.choice(("salt", "sugar", "acid"))
    return WordProblem(
        family="mixture",
        text=(
            f"{first} litres with {p} percent of {stuff}, {second} litres with {q} percent, and {water} litres of "
            f"water are poured together. How many percent of {stuff} does the mixture have?"
        ),
        given=exactly(first=first, p=p, second=second, q=q, water=water, hundred=100, ten=10),
        steps=(
            step(
                "in_first",
                "percent",
                ("p", "first"),
                f"The first part holds this much {stuff}: {{work}} litres.",
                slip(OPERAND, "percent", ("q", "first"), "that is the percentage of the second part"),
            ),
            step(
                "in_second",
                "percent",
                ("q", "second"),
                "The second part holds {work} litres of it.",
                slip(OPERAND, "percent", ("p", "second"), "that is the percentage of the first part"),
            ),
            step("held", "sum", ("in_first", "in_second"), "Together that is {work} litres."),
            step(
                "litres",
                "sum",
                ("first", "second", "water"),
                "The mixture has {work} litres.",
                slip(DROPPED, "sum", ("first", "second"), "the water belongs to the mixture too"),
            ),
            step("share", "quotient", ("held", "litres"), "The share is {work}."),
            step(
                "percent",
                "product",
                ("share", "hundred"),
                "In percent that is {work}.",
                slip(UNIT, "product", ("share", "ten"), "percent means parts of 100 and not of 10"),
            ),
        ),
    )
