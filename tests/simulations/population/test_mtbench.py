"""MT-Bench judges as users: small made files in the exact schema, and the real files where they are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from shared.preference_files import PreferenceFileError
from simulations.population.mtbench import EMPTY_REPLY, PAIRS_FILE, TIED, TIES_FILE, load_mtbench, tied_votes

PRIVATE = "zebra-quartz-7781"
REAL = Path(__file__).parents[4] / "shared" / "data" / "mtbench_human_pairs"

Record = dict[str, object]


def says(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def vote(user: str = "expert_1", question: int = 81, turn: int = 1, good: str = "good", bad: str = "bad") -> Record:
    after = [] if turn == 1 else [says("user", "and then?"), says("assistant", "more")]
    return {
        "user_id": user,
        "question_id": question,
        "category": "writing",
        "turn": turn,
        "prompt": [says("user", f"{PRIVATE} {question}")],
        "chosen": [says("assistant", good), *after],
        "rejected": [says("assistant", bad), *after],
        "chosen_model": "gpt-4",
        "rejected_model": "llama-13b",
    }


def tie(user: str) -> Record:
    record = vote(user)
    for new, old in (("response_a", "chosen"), ("response_b", "rejected")):
        record[new] = record.pop(old)
    for new, old in (("model_a", "chosen_model"), ("model_b", "rejected_model")):
        record[new] = record.pop(old)
    return record


def write(directory: Path, votes: list[Record], ties: list[Record]) -> Path:
    for name, records in ((PAIRS_FILE, votes), (TIES_FILE, ties)):
        content = "".join(json.dumps(record) + "\n" for record in records)
        (directory / name).write_bytes(gzip.compress(content.encode()))
    return directory


def test_judges_are_devices_and_ties_are_counted(tmp_path: Path) -> None:
    votes = [vote(), vote(turn=2), vote("author_0", 82), vote("author_0", 83, bad=" "), vote("author_0", 84, 2, bad="")]
    write(tmp_path, votes, [tie("expert_1"), tie("expert_1"), tie("expert_9")])
    population = load_mtbench(tmp_path)
    assert population.user_ids == ("author_0", "expert_1", "expert_9")
    assert [len(pairs) for pairs in population.devices] == [2, 2, 0]
    assert population.groups() == ("question 81", "question 82", "question 84")
    first, second = population.pairs(1)
    assert [len(reply) for reply in (first.prompt, first.chosen, second.chosen, second.rejected)] == [1, 1, 3, 3]
    assert first.prompt == second.prompt
    assert {first.origin, second.origin} == {"vote"}
    assert dict(population.left_out) == {TIED: 3, EMPTY_REPLY: 1}
    assert population.read["decisive votes"] == 5
    assert dict(tied_votes(tmp_path)) == {"expert_1": 2, "expert_9": 1}
    assert PRIVATE not in repr(population)


MALFORMED: dict[str, tuple[Record, str]] = {
    "unknown key": ({**vote(), "judge": 1}, "judge"),
    "missing key": ({k: v for k, v in vote().items() if k != "turn"}, "turn"),
    "turn of a wrong type": ({**vote(), "turn": "1"}, "turn"),
    "third turn": ({**vote(), "turn": 3}, "turn"),
    "long prompt": ({**vote(), "prompt": [says("user", "a"), says("assistant", "b"), says("user", "c")]}, "prompt"),
    "turn 1 with two replies": ({**vote(turn=2), "turn": 1}, "chosen"),
    "turn 2 with one": ({**vote(turn=2), "rejected": [says("assistant", "x")]}, "rejected"),
    "different follow-ups": (
        {**vote(turn=2), "rejected": [says("assistant", "x"), says("user", PRIVATE), says("assistant", "y")]},
        "rejected",
    ),
    "no decision in fact": (vote(good="same", bad="same"), "chosen"),
    "no model": ({**vote(), "chosen_model": ""}, "chosen_model"),
    "voted twice": (vote(), "line"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_vote_is_named_by_line_and_field(tmp_path: Path, case: str) -> None:
    record, field = MALFORMED[case]
    write(tmp_path, [vote(), record], [])
    with pytest.raises(PreferenceFileError) as caught:
        load_mtbench(tmp_path)
    (error,) = caught.value.errors
    assert (error.line, error.field) == (2, field)
    assert error.file.endswith(PAIRS_FILE)
    assert PRIVATE not in str(caught.value)


def test_a_malformed_tie_is_refused_too(tmp_path: Path) -> None:
    write(tmp_path, [vote()], [tie("expert_2"), vote("expert_2")])
    with pytest.raises(PreferenceFileError) as caught:
        load_mtbench(tmp_path)
    assert caught.value.errors[0].file.endswith(TIES_FILE)


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/mtbench_human_pairs is not here")
def test_the_real_votes_are_all_accounted_for() -> None:
    population = load_mtbench(REAL)
    assert (len(population), len(population.groups()), len(population.recorded_pairs())) == (52, 65, 1690)
    assert dict(population.left_out) == {TIED: 558, EMPTY_REPLY: 8}
    assert population.read["decisive votes"] == 1698 == 1690 + 8
    assert (population.read["pairs on turn 1"], population.read["pairs on turn 2"]) == (840, 850)
    assert min(len(pairs) for pairs in population.devices) == 2
    assert max(len(pairs) for pairs in population.devices) == 112
    ties = tied_votes(REAL)
    assert (sum(ties.values()), len(ties)) == (558, 50)
