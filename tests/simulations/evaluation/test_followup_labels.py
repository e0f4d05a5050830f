"""Labels joined with conversations: every mismatch is told by line and field, and no text is."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from client.followups import FollowUp, FollowUpKind
from shared.conversation import Message
from shared.preference_files import PreferenceFileError
from shared.preference_lines import PreferenceLineError
from simulations.evaluation.followup_labels import LabelledFollowUp, read_realhumaneval_labels, split_by_user
from simulations.population.realhumaneval import CONVERSATIONS_FILE

PRIVATE = "zebra-quartz-7781"
REAL = Path(__file__).parents[4] / "shared" / "data" / "realhumaneval_chat"
HEAD = "user_id,conversation_id,turn,label\n"

needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/realhumaneval_chat is not on this machine")


def write(directory: Path, labels: str, *, ids: tuple[str, ...] = ("c1", "c2")) -> Path:
    """Two conversations of users u1 and u2, and a labels' file whose path is returned."""
    lines = []
    for place, name in enumerate(ids, start=1):
        turns = [("user", f"ask {PRIVATE}"), ("assistant", "reply"), ("user", f"again {name}"), ("user", "and more")]
        lines.append(
            json.dumps(
                {
                    "user_id": f"u{place}",
                    "conversation_id": name,
                    "conversation_index": 0,
                    "model": "m",
                    "task_name": "t",
                    "start_t": 0.0,
                    "n_user_turns": 3,
                    "messages": [{"role": role, "content": content} for role, content in turns],
                }
            )
        )
    (directory / CONVERSATIONS_FILE).write_bytes(gzip.compress("\n".join(lines).encode()))
    path = directory / "labels.csv"
    path.write_text(labels, encoding="utf-8")
    return path


def test_a_label_finds_its_message_and_what_came_before(tmp_path: Path) -> None:
    labels = write(tmp_path, f"{HEAD}u2,c2,2,positive\nu1,c1,2,new request\n")
    first, second = read_realhumaneval_labels(tmp_path, labels=labels)
    assert (first.user_id, first.kind, first.followup.text) == ("u2", FollowUpKind.POSITIVE, "again c2")
    assert (second.user_id, second.kind, second.followup.text) == ("u1", FollowUpKind.NEW_REQUEST, "again c1")
    assert [message.role for message in first.followup.conversation] == ["user", "assistant"]
    assert PRIVATE not in repr(first)


@pytest.mark.parametrize(
    ("labels", "line", "field"),
    [
        ("user,conversation,turn,label\n", 1, "line"),
        (f"{HEAD}u1,c1,2\n", 2, "line"),
        (f"{HEAD},c1,2,positive\n", 2, "user_id"),
        (f"{HEAD}u1,,2,positive\n", 2, "conversation_id"),
        (f"{HEAD}u1,c1,-2,positive\n", 2, "turn"),
        (f"{HEAD}u1,c1,²,positive\n", 2, "turn"),
        (f"{HEAD}u1,c1,2,{PRIVATE}\n", 2, "label"),
        (f"{HEAD}u1,{PRIVATE},2,positive\n", 2, "conversation_id"),
        (f"{HEAD}u2,c1,2,positive\n", 2, "user_id"),
        (f"{HEAD}u1,c1,0,positive\n", 2, "turn"),
        (f"{HEAD}u1,c1,1,positive\n", 2, "turn"),
        (f"{HEAD}u1,c1,3,positive\n", 2, "turn"),
        (f"{HEAD}u1,c1,99,positive\n", 2, "turn"),
        (f"{HEAD}u1,c1,2,positive\nu1,c1,2,positive\n", 3, "turn"),
    ],
)
def test_a_label_that_does_not_fit_is_told(tmp_path: Path, labels: str, line: int, field: str) -> None:
    path = write(tmp_path, labels)
    with pytest.raises(PreferenceLineError) as caught:
        read_realhumaneval_labels(tmp_path, labels=path)
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(path), line, field)
    assert PRIVATE not in str(caught.value)


def test_malformed_conversations_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    (tmp_path / CONVERSATIONS_FILE).write_text('{"conversation_id": 3}\n', encoding="utf-8")
    with pytest.raises(PreferenceFileError, match="conversation_id"):
        read_realhumaneval_labels(tmp_path, labels=path)


def test_an_id_that_stands_twice_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD, ids=("c1", "c1"))
    with pytest.raises(PreferenceLineError, match="twice"):
        read_realhumaneval_labels(tmp_path, labels=path)


def test_missing_conversations_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_realhumaneval_labels(tmp_path)


def labelled(user: str | None, count: int) -> list[LabelledFollowUp]:
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    one = LabelledFollowUp(user_id=user, followup=FollowUp(conversation=turns, text="c"), kind=FollowUpKind.UNRELATED)
    return [one] * count


def test_a_split_keeps_users_whole_and_everything_once() -> None:
    everything = [one for place in range(20) for one in labelled(f"u{place}", 1 + place % 4)]
    training, test = split_by_user(everything, test_share=0.4, seed=3)
    assert not {one.user_id for one in training} & {one.user_id for one in test}
    assert Counter(one.user_id for one in (*training, *test)) == Counter(one.user_id for one in everything)
    assert 0.4 <= len(test) / len(everything) <= 0.5
    assert split_by_user(everything, test_share=0.4, seed=3) == (training, test)
    assert split_by_user(everything, test_share=0.4, seed=4)[1] != test


def test_a_split_without_users_or_share_is_refused() -> None:
    with pytest.raises(ValueError, match="without users"):
        split_by_user(labelled(None, 2))
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="test_share"):
            split_by_user(labelled("u", 2), test_share=share)


def test_the_labels_file_holds_ids_and_kinds_only() -> None:
    text = files("simulations.evaluation.followup_labels").joinpath("realhumaneval.csv").read_text(encoding="utf-8")
    head, *rows = text.splitlines()
    kinds = "|".join(FollowUpKind)
    assert f"{head}\n" == HEAD
    assert len(rows) == 504
    assert all(re.fullmatch(rf"(rhe_\d+),\1_\d+,\d+,({kinds})", row) for row in rows)


@needs_data
def test_every_follow_up_of_the_real_data_is_labelled_once() -> None:
    found = read_realhumaneval_labels(REAL)
    assert len(found) == 504
    assert len({one.user_id for one in found}) == 75
    assert Counter(one.kind for one in found) == {
        FollowUpKind.NEW_REQUEST: 287,
        FollowUpKind.REATTEMPT: 193,
        FollowUpKind.CLARIFICATION: 20,
        FollowUpKind.POSITIVE: 2,
        FollowUpKind.UNRELATED: 2,
    }
    training, test = split_by_user(found)
    assert (len(training), len(test)) == (295, 209)
