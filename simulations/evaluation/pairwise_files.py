"""Two models' replies and recorded verdicts in files: what AlpacaEval's and Arena-Hard's have in common.

Entries are joined by a key (instruction and user, or question id). Nothing is silently dropped: an entry that stands
twice, one that has no partner and one that belongs elsewhere are errors, which name file, entry and field and never
quote the file. Keys of an entry that are not read (dates, prices, the judge's text) are the benchmarks' own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from shared.preference_lines import JsonLine
from simulations.evaluation.json_records import read_records
from simulations.evaluation.pairwise_result import Benchmark, Comparison, ComparisonSet, PairwiseError, Verdict

Key = tuple[str, str | None]
"""Instruction and user (or None); or question id and None."""

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True, repr=False)
class Reply:
    """Attributes:
    output: the text, which may be empty: a model may say nothing.
    generator: the name of the model.
    """

    output: str
    generator: str


def read_keyed(path: Path, field: str, parse: Callable[[JsonLine], tuple[Key, Found] | None]) -> dict[Key, Found]:
    """The entries of a file by their keys, in its order; those that `parse` gives no value are passed over.

    Raises:
        PreferenceFileError: malformed entries, or a key that stands twice (reported as `field`'s).
        OSError: the file cannot be read.
    """
    places = count(1)
    held: dict[Key, int] = {}

    def once(line: JsonLine) -> tuple[Key, Found] | None:
        place = next(places)
        entry = parse(line)
        if entry is not None and held.setdefault(entry[0], place) != place:
            line.refuse(field, f"the same as entry {held[entry[0]]}'s")
        return entry

    return dict(entry for entry in read_records(path, once) if entry is not None)


def require_replies(file: Path, replies: Mapping[Key, Reply], other: Path, wanted: Sequence[Key]) -> None:
    """Checks that `replies`, read from `file`, hold every key that is wanted, in the order of `other`'s entries.

    Raises:
        PairwiseError: some are missing.
    """
    absent = [entry for entry, key in enumerate(wanted, 1) if key not in replies]
    if absent:
        raise PairwiseError(
            f"{file} has no reply for {len(absent)} of the {len(wanted)} entries wanted of {other}; entry {absent[0]} "
            "of them is the first"
        )


def make_comparison_set(
    benchmark: Benchmark,
    comparisons: tuple[Comparison, ...],
    *,
    model: tuple[Path, Mapping[Key, Reply]],
    baseline: tuple[Path, Mapping[Key, Reply]],
    left_out: int,
) -> ComparisonSet:
    """The comparisons under their two models' names.

    Raises:
        PairwiseError: there is no comparison, or a file holds several models' replies.
    """
    if not comparisons:
        raise PairwiseError("there is nothing to compare: both files answer none of what was asked for")
    names: list[str] = []
    for path, replies in (model, baseline):
        generators = {reply.generator for reply in replies.values()}
        if len(generators) > 1:
            raise PairwiseError(f"{path} holds the replies of {len(generators)} models: give one model's")
        names += generators
    return ComparisonSet(
        benchmark=benchmark, model=names[0], baseline=names[1], comparisons=comparisons, left_out=left_out
    )


def verdicts_in_order(path: Path, verdicts: Mapping[Key, Verdict], wanted: Sequence[Key]) -> tuple[Verdict, ...]:
    """The verdicts read from `path`, one for each comparison's key.

    Raises:
        PairwiseError: some are missing.
    """
    absent = [place for place, key in enumerate(wanted, 1) if key not in verdicts]
    if absent:
        raise PairwiseError(
            f"{path} has no verdict on {len(absent)} of {len(wanted)} comparisons, the first of them being comparison "
            f"{absent[0]}"
        )
    return tuple(verdicts[key] for key in wanted)


def checked_text(line: JsonLine, where: str, value: object) -> str:
    """A text that may be empty; anything else is refused as `where`'s."""
    if not isinstance(value, str):
        line.refuse(where, "must be a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        line.refuse(where, "holds half of a surrogate pair, which is not text")
    return value
