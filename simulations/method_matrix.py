"""Method by protection: yes, or no with its reason; from the table that plans are checked against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from shared.adapter_methods import METHODS, REQUIREMENTS, Method, Requirement
from shared.messages import MAX_SHARED_PARAMETERS
from simulations.model_shapes import shared_numbers

COLUMNS: Mapping[Requirement, str] = {
    "secure-aggregation": "masks",
    "user-privacy-central": "user DP",
    "user-privacy-correlated": "DP-FTRL",
    "user-privacy-distributed": "user DP + masks",
    "pair-privacy": "pair DP",
    "mixed-ranks": "ranks",
    "robust-mean": "robust",
}


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One method.

    Attributes:
        refused: why not, by requirement; "" where it can be had.
        instead: the nearest method that can, where it cannot.
        numbers_up, bytes_up, bytes_down: a round, of one device, as float32 without masks.
        too_large: whether its state is more than a message may hold.
    """

    method: Method
    title: str
    paper: str
    idea: str
    newcomer: str
    exact: bool
    refused: Mapping[Requirement, str]
    instead: Mapping[Requirement, Method | None]
    numbers_up: int
    bytes_up: int
    bytes_down: int
    too_large: bool


def matrix(shape: str, *, rank: int) -> list[MethodRow]:
    """Every method on all linear layers of a model. Raises: ConfigError: the shape is not known."""
    rows = []
    for name, facts in METHODS.items():
        numbers = shared_numbers(shape, rank=rank, method=name)
        refused = {requirement: facts.refusal(requirement) or "" for requirement in REQUIREMENTS}
        rows.append(
            MethodRow(
                method=name,
                title=facts.title,
                paper=facts.paper,
                idea=facts.idea,
                newcomer=facts.newcomer,
                exact=facts.exact,
                refused=refused,
                instead={one: facts.instead([one]) for one, why in refused.items() if why},
                numbers_up=numbers.up,
                bytes_up=4 * numbers.up,
                bytes_down=4 * numbers.down,
                too_large=numbers.down > MAX_SHARED_PARAMETERS,
            )
        )
    return rows


def matrix_json(rows: Sequence[MethodRow]) -> dict[str, object]:
    """As plain values."""
    return {"requirements": list(REQUIREMENTS), "methods": [asdict(row) for row in rows]}


def matrix_markdown(rows: Sequence[MethodRow]) -> str:
    """As a table of the README: each "no" points to its reason below."""
    reasons: list[str] = []

    def cell(why: str) -> str:
        if not why:
            return "yes"
        if why not in reasons:
            reasons.append(why)
        return f"no ({reasons.index(why) + 1})"

    lines = [
        f"| method | {' | '.join(COLUMNS.values())} | exact | up, down |",
        "|" + "---|" * (len(COLUMNS) + 3),
    ]
    for row in rows:
        cells = " | ".join(cell(row.refused[requirement]) for requirement in COLUMNS)
        sizes = f"{row.bytes_up / 1000:,.0f}, {row.bytes_down / 1000:,.0f} kB"
        name = f"[{row.title}](https://arxiv.org/abs/{row.paper}): {row.idea}"
        lines.append(f"| {name} | {cells} | {'yes' if row.exact else 'no'} | {sizes} |")
    return "\n".join([*lines, "", *(f"({number}) {why}." for number, why in enumerate(reasons, start=1))])
