"""Numbers as people write them, and whether a reply's final answer is the right one. All arithmetic is exact.

No tolerance and no rounding: 0.33 is not 1/3. Forms are free: 1/2, 0.5, 2/4 and `\\frac{1}{2}` are one number, and so
are 1,000 and 1000. Units, percent and degree signs are dropped, not compared. What is no number is compared as text,
after LaTeX that only changes its looks is taken out. Two expressions that are equal by algebra are then told apart: for
PRM800K's expressions the check may reject a right answer.
"""

from __future__ import annotations

import re
from fractions import Fraction

_PLAIN = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d)\.)?"
_SIMPLE = re.compile(rf"({_PLAIN})(?:\s*/\s*(\d+))?")
_MIXED = re.compile(r"([-+]?\d+)\s+(\d+)\s*/\s*(\d+)")
_FRAC = re.compile(r"\\frac\s*(?:\{\s*(-?\d+)\s*\}\s*\{\s*(-?\d+)\s*\}|(\d)\s*(\d))")
_TOKEN = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?")
_UNIT = re.compile(
    r"(?:\\[,!; ]|\s)*(?:\\(?:text|mathrm|mbox)\s*\{[^{}]*\}|\^\{?\\circ\}?|\\?%|[A-Za-z]{2,}(?: [A-Za-z]+)*)"
)
# Words behind a number that change it, and are no unit.
_NOT_UNITS = frozenset(
    {
        "pi",
        "sqrt",
        "dozen",
        "hundred",
        "thousand",
        "million",
        "billion",
        "trillion",
        "half",
        "halves",
        "third",
        "thirds",
    }
    | {"quarter", "quarters", "squared", "cubed", "times", "plus", "minus", "over", "or", "and", "to", "mod"}
)
_LEADING = re.compile(rf"({_TOKEN.pattern})[,.;]\s+(?=[A-Za-z])")  # "12, because ..."
_VARIABLE = re.compile(r"[A-Za-z]\s*=\s*")
_LOOKS = (r"\left", r"\right", r"\!", r"\,", r"\;", r"\:", r"\ ", r"\displaystyle", "$", " ", "\t", "\n")

_BOXED = re.compile(r"\\boxed\s*\{")
_HEADING = re.compile(r"^#+\s*answer\s*:?\s*$", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(r"\banswer\b(?:\s+is\b|\s*:|\s*=)\s*:?", re.IGNORECASE)
_MAX_DIGITS = 4_000  # Python refuses longer integers


def parse_number(text: str) -> Fraction | None:
    """The number that a whole text is, or None.

    Read are integers, decimals, fractions, mixed numbers and LaTeX fractions, with thousands separators, a currency
    sign in front, "x =" in front, and a unit in words, a percent or a degree sign behind; units are not converted.
    """
    if len(text) > _MAX_DIGITS:
        return None
    cleaned = _tidy(text)
    cleaned = cleaned[found.end() :] if (found := _VARIABLE.match(cleaned)) else cleaned
    unit = next((found for found in _UNIT.finditer(cleaned) if found.end() == len(cleaned) and found.start()), None)
    if unit is not None:
        if _NOT_UNITS & set(re.findall(r"[a-z]+", unit[0].lower())):
            return None
        cleaned = cleaned[: unit.start()].strip()
    if found := _MIXED.fullmatch(cleaned):
        whole, upper, lower = found.groups()
        return _fraction(whole, None, sign_of=whole, plus=(upper, lower))
    sign, body = (cleaned[0], cleaned[1:].strip()) if cleaned[:1] in ("-", "+") else ("", cleaned)
    if found := _FRAC.search(body):
        if found.end() != len(body) or not re.fullmatch(r"\d*\s*", body[: found.start()]):
            return None
        upper, lower = (found[1], found[2]) if found[1] is not None else (found[3], found[4])
        return _fraction(f"{sign}{body[: found.start()].strip() or 0}", None, sign_of=sign, plus=(upper, lower))
    if (found := _SIMPLE.fullmatch(cleaned)) and any(character.isdigit() for character in found[1]):
        return _fraction(found[1].replace(",", ""), found[2])
    return None


def format_number(value: Fraction) -> str:
    """As people write it: an integer, a decimal of at most three places where that is exact, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    for places in (1, 2, 3):
        shifted = value * 10**places
        if shifted.denominator == 1:
            digits = f"{abs(shifted.numerator):0{places + 1}d}"
            return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return f"{value.numerator}/{value.denominator}"


def final_answer(reply: str) -> str | None:
    r"""What a reply gives as its answer, or None where it gives none.

    The last `\boxed{...}`; else the first line with text after the last heading "# Answer"; else what follows the last
    "answer:" or "answer is" on its line; else the last number of the reply.
    """
    if (boxed := _last_boxed(reply)) is not None:
        return boxed
    if headings := list(_HEADING.finditer(reply)):
        after = (line.strip() for line in reply[headings[-1].end() :].splitlines())
        return next((line for line in after if line), None)
    for found in reversed(list(_ANSWER.finditer(reply))):
        if said := reply[found.end() :].partition("\n")[0].replace("**", "").strip():
            return said
    numbers = _TOKEN.findall(_tidy(reply))
    return numbers[-1] if numbers else None


def check_answer(reply: str, truth: str | int | Fraction) -> bool:
    """Whether a reply's final answer is `truth`.

    Where the truth is a number, the answer must be one of the same value, or begin with one ("12, because ..."), or be
    a sentence that holds exactly one number and no formula ("12 apples are left."). Else both must be the same text but
    for white space and LaTeX's looks.
    """
    said = final_answer(reply)
    if said is None:
        return False
    wanted = parse_number(truth) if isinstance(truth, str) else Fraction(truth)
    if wanted is None:
        return _without_looks(said) == _without_looks(str(truth))
    return _number_said(said) == wanted


def _number_said(text: str) -> Fraction | None:
    for whole in (text, text.rstrip(" .!;,")):
        if (value := parse_number(whole)) is not None:
            return value
    tidy = _tidy(text)
    if leading := _LEADING.match(tidy):
        return parse_number(leading[1])
    found = list(_TOKEN.finditer(tidy))
    if len(found) != 1 or any(character in tidy for character in "=^*+\\{}()|_<>"):
        return None
    start, end = found[0].span()
    beside = tidy[max(start - 1, 0) : start] + tidy[end : end + 1]
    # 3x, x3 and 5-3 are formulas; a digit after a full stop is another number's.
    return None if re.search(r"[A-Za-z0-9/-]", beside) else parse_number(found[0][0])


def _fraction(
    upper: str, lower: str | None, *, sign_of: str = "", plus: tuple[str, str] | None = None
) -> Fraction | None:
    """upper/lower, or the mixed number upper + plus with the sign of `sign_of` on the whole."""
    try:
        value = Fraction(upper) / Fraction(lower or "1")
        if plus is not None:
            part = Fraction(int(plus[0]), int(plus[1]))
            value = value - part if sign_of.startswith("-") else value + part
    except (ValueError, ZeroDivisionError):
        return None
    return value


def _tidy(text: str) -> str:
    """The same text with one kind of minus, fraction and thousands separator, without dollars and emphasis."""
    for old, new in (("−", "-"), (r"\dfrac", r"\frac"), (r"\tfrac", r"\frac"), (r"{,}", ","), (r",\!", ",")):
        text = text.replace(old, new)
    for mark in (r"\$", "$", "€", "£", "**", r"\!", r"\,"):
        text = text.replace(mark, "")
    return text.strip().removesuffix(".").strip()


def _without_looks(text: str) -> str:
    text = text.replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac").replace("−", "-")
    text = re.sub(r"\\(?:text|mathrm|mbox)\s*\{([^{}]*)\}", r"\1", text)
    for mark in _LOOKS:
        text = text.replace(mark, "")
    return text.removesuffix(".")


def _last_boxed(text: str) -> str | None:
    """What stands between the braces of the last `\\boxed{`; None where there is none or its braces never close."""
    found = list(_BOXED.finditer(text))
    if not found:
        return None
    start, depth = found[-1].end(), 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place].strip()
    return None
