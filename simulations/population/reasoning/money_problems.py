"""Word problems about money: goods and change, a sale with tax, interest, a fence that is paid by the piece."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from simulations.population.reasoning.slips import CARRY, DROPPED, OFF_BY_ONE, OPERAND, SIGN, UNIT, slip, step
from simulations.population.reasoning.working import WordProblem, exactly

NAMES = ("Ana", "Bo", "Chidi", "Dana", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena")
_GOODS = ("pen", "notebook", "mug", "lamp", "poster", "candle", "basket")


def shopping(rng: Random) -> WordProblem:
    """Two goods, a coupon, and change."""
    name, (item, other) = rng.choice(NAMES), rng.sample(_GOODS, 2)
    n, p, m = rng.randint(3, 19), rng.randint(2, 28), rng.randint(2, 9)
    q = rng.choice([price for price in range(3, 40) if price != p])
    both = n * p + m * q
    coupon = rng.randint(2, min(20, both - 1))
    bill = (both - coupon) // 50 * 50 + 50
    return WordProblem(
        family="shopping",
        text=(
            f"{name} buys {n} {item}s at {p} dollars each and {m} {other}s at {q} dollars each, uses a coupon worth "
            f"{coupon} dollars, and pays with {bill} dollars. How many dollars of change does {name} get?"
        ),
        given=exactly(n=n, p=p, m=m, q=q, coupon=coupon, bill=bill),
        steps=(
            step(
                "first",
                "product",
                ("n", "p"),
                f"The {item}s cost {{work}} dollars.",
                slip(OPERAND, "product", ("n", "q"), f"you used the price of a {other}"),
                slip(OPERAND, "product", ("m", "p"), f"you used the number of {other}s"),
            ),
            step(
                "second",
                "product",
                ("m", "q"),
                f"The {other}s cost {{work}} dollars.",
                slip(OPERAND, "product", ("m", "p"), f"you used the price of a {item}"),
            ),
            step("both", "sum", ("first", "second"), "Together that is {work} dollars."),
            step(
                "due",
                "difference",
                ("both", "coupon"),
                "After the coupon there are {work} dollars to pay.",
                derived=(CARRY, SIGN),
            ),
            step(
                "change",
                "difference",
                ("bill", "due"),
                "The change is {work} dollars.",
                slip(OPERAND, "difference", ("bill", "both"), "you forgot that there was a coupon"),
            ),
        ),
    )


def sale(rng: Random) -> WordProblem:
    """A discount, a tax on what is left, and delivery."""
    item, price = rng.choice(("coat", "bicycle", "desk", "radio", "tent")), 20 * rng.randint(2, 18)
    rate, tax, delivery = rng.choice([5, 10, 15, 20, 25, 30, 40]), rng.choice([5, 8, 10, 20]), rng.randint(4, 18)
    return WordProblem(
        family="sale",
        text=(
            f"A {item} costs {price} dollars. It is reduced by {rate} percent, then {tax} percent tax is added to the "
            f"reduced price, and delivery costs {delivery} dollars more. What has to be paid in dollars?"
        ),
        given=exactly(price=price, rate=rate, tax=tax, delivery=delivery),
        steps=(
            step(
                "off",
                "percent",
                ("rate", "price"),
                "The reduction is {work} dollars.",
                slip(OPERAND, "percent", ("tax", "price"), "you used the tax rate"),
                slip(OPERAND, "quotient", ("price", "rate"), f"{rate} percent is not one part in {rate}"),
            ),
            step(
                "reduced",
                "difference",
                ("price", "off"),
                "The reduced price is {work} dollars.",
                slip(OPERAND, "difference", ("price", "rate"), "you took away the percentage as if it were dollars"),
                derived=(CARRY, SIGN),
            ),
            step(
                "taxed",
                "percent",
                ("tax", "reduced"),
                "The tax is {work} dollars.",
                slip(OPERAND, "percent", ("tax", "price"), "the tax is on the reduced price"),
                slip(UNIT, "product", (Fraction(tax, 10), "reduced"), f"{tax} percent means {tax} parts of 100"),
            ),
            step(
                "total",
                "sum",
                ("reduced", "taxed", "delivery"),
                "So {work} dollars have to be paid.",
                derived=(DROPPED,),
            ),
        ),
    )


def interest(rng: Random) -> WordProblem:
    """Simple interest for some months, less a fee."""
    name, principal = rng.choice(NAMES), 100 * rng.randint(3, 40)
    rate, months, fee = rng.randint(2, 9), rng.choice([3, 4, 6, 8, 9, 15, 18, 20, 30]), rng.randint(3, 25)
    return WordProblem(
        family="interest",
        text=(
            f"{name} lends {principal} dollars at {rate} percent simple interest a year for {months} months and pays a "
            f"fee of {fee} dollars at the end. How many dollars does {name} have then?"
        ),
        given=exactly(principal=principal, rate=rate, months=months, fee=fee, twelve=12, ten=10),
        steps=(
            step(
                "years",
                "quotient",
                ("months", "twelve"),
                "In years, the time is {work}.",
                slip(UNIT, "quotient", ("months", "ten"), "a year has 12 months and not 10"),
            ),
            step(
                "yearly",
                "percent",
                ("rate", "principal"),
                "A year's interest is {work} dollars.",
            ),
            step(
                "earned",
                "product",
                ("yearly", "years"),
                "The interest for the whole time is {work} dollars.",
                slip(UNIT, "product", ("yearly", "months"), "the interest is for a year and not for a month"),
                slip(OPERAND, "quotient", ("yearly", "years"), "you divided by the years"),
            ),
            step("grown", "sum", ("principal", "earned"), "That makes {work} dollars.", derived=(CARRY, SIGN)),
            step(
                "final",
                "difference",
                ("grown", "fee"),
                "After the fee there are {work} dollars.",
                slip(DROPPED, "difference", ("principal", "fee"), "you left out the interest"),
                derived=(CARRY, SIGN),
            ),
        ),
    )


def fence(rng: Random) -> WordProblem:
    """Posts, gaps, and what they cost."""
    spacing, gaps = rng.choice([2, 3, 4, 5]), rng.randint(7, 36)
    post, rail, fee = rng.randint(6, 19), rng.randint(3, 12), rng.choice([25, 30, 40, 45, 60])
    length = spacing * gaps
    return WordProblem(
        family="fence",
        text=(
            f"A straight fence of {length} metres has a post every {spacing} metres, also at both ends. A post costs "
            f"{post} dollars, the rail of each gap {rail} dollars, and delivery {fee} dollars. What does it all cost?"
        ),
        given=exactly(length=length, spacing=spacing, post=post, rail=rail, fee=fee, one=1),
        steps=(
            step(
                "gaps",
                "quotient",
                ("length", "spacing"),
                "The number of gaps is {work}.",
                slip(OPERAND, "product", ("length", "spacing"), "you multiplied where you have to divide"),
            ),
            step(
                "posts",
                "sum",
                ("gaps", "one"),
                "With a post at both ends there are {work} posts.",
                slip(
                    OFF_BY_ONE,
                    "sum",
                    ("gaps",),
                    "there is one post more than there are gaps",
                    "One post for each gap makes {work} posts.",
                ),
                slip(OFF_BY_ONE, "difference", ("gaps", "one"), "there is one post more than there are gaps"),
            ),
            step(
                "post_cost",
                "product",
                ("posts", "post"),
                "The posts cost {work} dollars.",
                slip(OPERAND, "product", ("posts", "rail"), "you used the price of a rail"),
            ),
            step(
                "rail_cost",
                "product",
                ("gaps", "rail"),
                "The rails cost {work} dollars.",
                slip(OFF_BY_ONE, "product", ("posts", "rail"), "there is a rail for each gap, not for each post"),
            ),
            step(
                "total",
                "sum",
                ("post_cost", "rail_cost", "fee"),
                "Altogether it costs {work} dollars.",
                derived=(DROPPED,),
            ),
        ),
    )
