"""AlpacaEval's files: outputs of two models as comparisons, and annotations as verdicts on them.

Both kinds are a JSON list or JSON lines. An output holds `instruction`, `output` and optionally `generator` (else the
file's name stands for it); an annotation `instruction`, `output_1`, `output_2` and `preference`. The key `user_id` is
Tacit's: with it an instruction may be answered for several users, and intervals are over them.

`preference` is 1 where the judge chose `output_1` and 2 where it chose `output_2`, anything between where it was
weighed by the judge's probabilities, 1.5 (in older files 0) for a tie, and null for none. Which of the two outputs is
the model's is told from their texts, never from their order.

Dubois et al., 2023, "AlpacaFarm", arXiv:2305.14387; the formats are those of tatsu-lab/alpaca_eval.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.preference_lines import JsonLine
from simulations.evaluation.pairwise_files import (
    Key,
    Reply,
    checked_text,
    make_comparison_set,
    read_keyed,
    require_replies,
    verdicts_in_order,
)
from simulations.evaluation.pairwise_result import Comparison, ComparisonSet, Verdict


def alpaca_eval_comparisons(model_file: Path, baseline_file: Path, *, partial: bool = False) -> ComparisonSet:
    """Two files of AlpacaEval outputs, joined by instruction (and user).

    Args:
        model_file, baseline_file: the outputs of the model, and of what it is compared with.
        partial: compare what both files hold instead of refusing files that differ.

    Raises:
        PreferenceFileError: malformed or repeated entries, by file, entry (of a list), line and field.
        PairwiseError: the files hold different instructions or nothing in common, or one holds several models' outputs.
        OSError: a file cannot be read.
    """
    model, baseline = (read_keyed(path, "instruction", _output(path)) for path in (model_file, baseline_file))
    if not partial:
        require_replies(model_file, model, baseline_file, list(baseline))
        require_replies(baseline_file, baseline, model_file, list(model))
    comparisons = tuple(
        Comparison(
            instruction=key[0],
            model_output=reply.output,
            baseline_output=baseline[key].output,
            user_id=key[1],
            entry=entry,
        )
        for entry, (key, reply) in enumerate(model.items(), 1)
        if key in baseline
    )
    return make_comparison_set(
        "alpaca-eval",
        comparisons,
        model=(model_file, model),
        baseline=(baseline_file, baseline),
        left_out=len(model.keys() ^ baseline.keys()),
    )


def read_alpaca_eval_annotations(path: Path, compared: ComparisonSet) -> tuple[Verdict, ...]:
    """The verdicts of a file of AlpacaEval annotations, in the order of the comparisons.

    Verdicts on instructions that `compared` left out are passed over.

    Raises:
        PreferenceFileError: malformed or repeated entries, or a verdict on other outputs, by file, entry and field.
        PairwiseError: a comparison has no entry.
        OSError: the file cannot be read.
    """
    wanted = {(comparison.instruction, comparison.user_id): comparison for comparison in compared.comparisons}

    def annotation(line: JsonLine) -> tuple[Key, Verdict] | None:
        key = _key(line)
        outputs = tuple(checked_text(line, name, line.values.get(name)) for name in ("output_1", "output_2"))
        second = _preference(line)
        if key not in wanted:
            return None if compared.left_out else line.refuse("instruction", "is not one that is compared")
        sides = (wanted[key].baseline_output, wanted[key].model_output)
        # Equal outputs fit both ways: then AlpacaEval's own order, the baseline first, stands.
        if outputs == sides:
            return key, Verdict(preference=second)
        if outputs == sides[::-1]:
            return key, Verdict(preference=None if second is None else 1 - second)
        return line.refuse("output_1 and output_2", "are not the model's output and the baseline's")

    return verdicts_in_order(path, read_keyed(path, "instruction", annotation), list(wanted))


def _key(line: JsonLine) -> Key:
    return line.text("instruction"), line.identifier("user_id") if "user_id" in line.values else None


def _output(path: Path) -> Callable[[JsonLine], tuple[Key, Reply]]:
    def parse(line: JsonLine) -> tuple[Key, Reply]:
        generator = line.text("generator") if "generator" in line.values else path.stem
        output = checked_text(line, "output", line.values.get("output"))
        return _key(line), Reply(output=output, generator=generator)

    return parse


def _preference(line: JsonLine) -> float | None:
    """In [0, 1], 1 for `output_2`."""
    value = line.values["preference"] if "preference" in line.values else line.refuse("preference", "missing")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value == 0 or 1 <= value <= 2):
        line.refuse("preference", "must be null, 0 or a number from 1 to 2")
    return float(value) - 1 if value else 0.5
