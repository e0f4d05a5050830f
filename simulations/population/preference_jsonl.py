"""`--data jsonl`: anyone's preference pairs, in TRL's conversational format plus `user_id`, a device for each user."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shared.preference_files import PreferenceFileError, read_preference_lines
from shared.preference_lines import PreferenceLine, PreferenceLineError
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user

NAME = "jsonl"


def load_preference_jsonl(path: Path) -> RecordedPopulation:
    """Every pair of a file that `shared.preference_lines` describes; every line must have its `user_id`.

    A pair's group is its `question_id`; without one, the text of its prompt, so that two answers to one prompt are
    never split between training and test.

    Raises:
        PreferenceFileError: malformed lines, by file, line and field; or the file holds no pair at all.
        OSError: the file cannot be read.
    """
    lines = read_preference_lines(path)
    if not lines:
        empty = PreferenceLineError(file=str(path), line=1, field="line", reason="the file holds no pairs")
        raise PreferenceFileError((empty,), 1)
    return group_by_user(
        NAME,
        (RecordedPair(user_id=line.user_id or "", group=_group(line), pair=line.pair) for line in lines),
        read={"lines": len(lines)},
    )


def _group(line: PreferenceLine) -> str:
    if line.question_id is not None:
        return f"question {line.question_id}"
    # A digest, because groups are named in results and a prompt must not be.
    digest = hashlib.sha256()
    for message in line.pair.prompt:
        for part in (message.role, message.content):
            encoded = part.encode("utf-8")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"prompt {digest.hexdigest()[:16]}"
