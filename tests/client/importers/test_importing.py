"""Imports into files: idempotent, after a kill too, updated where something grew, and in little memory."""

from __future__ import annotations

import json
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client.conversation_files import read_conversations
from client.importers import jsonl_store
from client.importers.importing import ImportReport, import_conversations
from client.importers.jsonl_store import JsonlStore, StoreBusyError
from client.importers.reading import ImportFileError
from client.importers.records import ImportLimits
from shared.preference_files import PreferenceFileError
from tests.client.importers.exports import (
    JSON,
    MARKER,
    branching_chatgpt,
    claude,
    plain_chatgpt,
    sharegpt,
    texts,
    write_array,
    write_lines,
    write_zip,
)


def files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir() if not file.name.endswith(".lock")}


@pytest.fixture
def store(tmp_path: Path) -> JsonlStore:
    (tmp_path / "home").mkdir()
    return JsonlStore(tmp_path / "home" / "conversations.jsonl")


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.read, report.added, report.updated, report.unchanged


def test_a_second_import_adds_nothing(tmp_path: Path, store: JsonlStore) -> None:
    rows = [plain_chatgpt("a"), branching_chatgpt("b"), plain_chatgpt("c")]
    export = write_zip(tmp_path / "z.zip", {"conversations.json": json.dumps(rows)})

    first = import_conversations(export, store)
    after = files(store.path.parent)
    again = import_conversations(export, store)

    assert counts(first) == (3, 3, 0, 0)
    assert counts(again) == (3, 0, 0, 3)
    assert first.choices == again.choices == {"edited": 1, "regenerated": 2}
    assert files(store.path.parent) == after
    assert set(after) == {"conversations.jsonl", "choices.jsonl"}
    assert [one.conversation_id for one in read_conversations(store.path)] == ["chatgpt:a", "chatgpt:b", "chatgpt:c"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in store.path.parent.iterdir())


def test_choices_are_read_back_as_they_were_found(tmp_path: Path, store: JsonlStore) -> None:
    import_conversations(write_array(tmp_path / "a", [plain_chatgpt("a"), branching_chatgpt("b")]), store)

    read = list(store.choices())

    assert [name for name, _ in read] == ["chatgpt:b"] * 3
    assert [(one.kind, texts(one.prompt), texts(one.left)) for _, one in read] == [
        ("edited", [], ["first wording", "reply to the first"]),
        ("regenerated", ["second wording"], ["reply one"]),
        ("regenerated", ["second wording"], ["reply two"]),
    ]


def test_what_grew_is_replaced_and_what_shrank_is_not(tmp_path: Path, store: JsonlStore) -> None:
    before = write_array(tmp_path / "1", [plain_chatgpt("a", 2), plain_chatgpt("b", 2)])
    after = write_array(tmp_path / "2", [plain_chatgpt("a", 6), plain_chatgpt("b", 2), plain_chatgpt("c", 2)])
    import_conversations(before, store)

    newer = import_conversations(after, store)
    kept = files(store.path.parent)
    older = import_conversations(before, store)

    assert counts(newer) == (3, 1, 1, 1)
    assert counts(older) == (2, 0, 0, 1)
    assert older.skipped == {"shorter than the one that is kept": 1}
    assert files(store.path.parent) == kept
    assert sorted((one.conversation_id, len(one.messages)) for one in read_conversations(store.path)) == [
        ("chatgpt:a", 6), ("chatgpt:b", 2), ("chatgpt:c", 2),
    ]  # fmt: skip


def test_new_choices_in_an_old_conversation_replace_its_old_ones(tmp_path: Path, store: JsonlStore) -> None:
    record = branching_chatgpt("b")
    import_conversations(write_array(tmp_path / "1", [record, branching_chatgpt("other")]), store)
    mapping = record["mapping"]
    assert isinstance(mapping, dict)
    del mapping["b1"]

    report = import_conversations(write_array(tmp_path / "2", [record]), store)

    assert counts(report) == (1, 0, 1, 0)
    assert [name for name, _ in store.choices()] == ["chatgpt:other"] * 3 + ["chatgpt:b"] * 2


def test_an_id_that_stands_twice_counts_once_every_time(tmp_path: Path, store: JsonlStore) -> None:
    rows = [plain_chatgpt("a", 2), plain_chatgpt("a", 4)]
    export = write_array(tmp_path / "a", rows)

    for expected in ((2, 1, 0, 0), (2, 0, 0, 1)):
        report = import_conversations(export, store)
        assert counts(report) == expected
        assert report.skipped == {"stands earlier in this import": 1}


def test_what_was_there_stays(tmp_path: Path, store: JsonlStore) -> None:
    store.path.write_text('{"conversation_id": 7, "messages": [{"content": "hi", "role": "user"}]}\n\n')

    import_conversations(write_array(tmp_path / "a", [claude("a")]), store)

    assert [one.conversation_id for one in read_conversations(store.path)] == ["7", "claude:a"]


def test_a_malformed_store_is_refused_and_left_alone(tmp_path: Path, store: JsonlStore) -> None:
    store.path.write_text(f'{{"conversation_id": "x", "{MARKER} {MARKER}": 1}}\n')
    before = files(store.path.parent)

    with pytest.raises(PreferenceFileError) as raised:
        import_conversations(write_array(tmp_path / "a", [claude("a")]), store)

    assert MARKER not in str(raised.value)
    assert files(store.path.parent) == before


def test_damage_keeps_what_came_before_and_other_files(tmp_path: Path, store: JsonlStore) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    write_array(folder / "conversations-000.json", [plain_chatgpt("a"), plain_chatgpt("b")])
    whole = (folder / "conversations-000.json").read_text()
    (folder / "conversations-000.json").write_text(whole[:-100])
    write_array(folder / "conversations-001.json", [plain_chatgpt("c"), {"mapping": 7}, 7])

    report = import_conversations(folder, store)

    assert counts(report) == (4, 2, 0, 0)
    assert report.skipped == {"without its messages": 1, "not an object": 1}
    (damage,) = report.damage
    assert (damage.element, damage.offset) == (2, len(whole) - 100)
    assert "is cut short after 1 whole conversation" in str(damage)
    assert report.read == report.added + report.updated + report.unchanged + sum(report.skipped.values())
    assert MARKER not in repr(report) + json.dumps(report.to_dict())


def test_nothing_is_written_when_an_import_fails(tmp_path: Path, store: JsonlStore) -> None:
    class StopHereError(Exception):
        pass

    def stop(read: int, in_all: int) -> None:
        raise StopHereError

    export = write_array(tmp_path / "a", [plain_chatgpt("a")])
    with pytest.raises(StopHereError):
        import_conversations(export, store, progress=stop)

    assert files(store.path.parent) == {}
    assert counts(import_conversations(export, store)) == (1, 1, 0, 0)


def test_one_import_at_a_time(store: JsonlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.importers.jsonl_store._LOCK_SECONDS", 0.05)

    with store.importing(), pytest.raises(StoreBusyError), store.importing():
        pass


def test_a_format_that_is_named_is_not_guessed(tmp_path: Path, store: JsonlStore) -> None:
    export = write_lines(tmp_path / "a", [sharegpt("x")])

    report = import_conversations(export, store, source_format="messages")

    assert (report.source_format, report.skipped) == ("messages", {"without its messages": 1})
    (tmp_path / "b").write_text("")
    with pytest.raises(ImportFileError, match="holds nothing"):
        import_conversations(tmp_path / "b", store)


def test_a_conversation_above_the_limit_is_skipped(tmp_path: Path, store: JsonlStore) -> None:
    export = write_array(tmp_path / "a", [plain_chatgpt("a"), plain_chatgpt("b", words="x" * 9000), claude("c")])

    report = import_conversations(export, store, limits=ImportLimits(conversation_bytes=8000))

    assert report.skipped == {"larger than the limit for one conversation": 1, "without its messages": 1}
    assert report.added == 1


def write_large(path: Path, megabytes: int, seed: int = 0) -> None:
    """A ChatGPT export with regenerated replies, of conversations of some 20 kB."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randrange(2, 6)).hex() for _ in range(2000)]
    written = number = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        while written < megabytes * 2**20:
            record = branching_chatgpt(f"c{number}")
            record["title"] = " ".join(chance.choices(words, k=5))
            mapping = record["mapping"]
            assert isinstance(mapping, dict)
            for one in mapping.values():
                if one["message"] is not None:
                    one["message"]["content"]["parts"] = [" ".join(chance.choices(words, k=250))]
            written += file.write(("," if number else "") + json.dumps(record))
            number += 1
        file.write("]")


_IMPORT = """
import sys
from pathlib import Path
from client.importers.importing import import_conversations
from client.importers.jsonl_store import JsonlStore
def status(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
before = status("VmRSS")
told = lambda read, in_all: print("at", read, flush=True)
report = import_conversations(Path(sys.argv[1]), JsonlStore(Path(sys.argv[2])), progress=told)
print("grew", status("VmHWM") - before, report.added)
"""


def run_import(export: Path, store: JsonlStore) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, str(export), str(store.path)], capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_a_killed_import_ends_with_the_same_store_when_run_again(tmp_path: Path, store: JsonlStore) -> None:
    """Killed at random points, among them the end, where files are replaced."""
    export = tmp_path / "a.json"
    write_large(export, 3)
    whole = JsonlStore(tmp_path / "whole" / "conversations.jsonl")
    whole.path.parent.mkdir()
    began = time.monotonic()
    run_import(export, whole)
    took = time.monotonic() - began
    chance = random.Random(5)
    for attempt in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _IMPORT, str(export), str(store.path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        if process.stdout.readline():
            time.sleep(chance.random() * took * 0.8 if attempt else 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

    run_import(export, store)

    assert files(store.path.parent) == files(whole.path.parent)


def test_a_process_killed_between_the_two_files_is_mended(
    tmp_path: Path, store: JsonlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = write_array(tmp_path / "a", [branching_chatgpt("a"), branching_chatgpt("b")])

    class KilledError(BaseException):
        pass

    def killed(path: Path, *_: object) -> None:
        if path == store.path:
            raise KilledError
        original(path, *_)  # type: ignore[arg-type]

    original = jsonl_store._replace
    monkeypatch.setattr(jsonl_store, "_replace", killed)
    with pytest.raises(KilledError):
        import_conversations(export, store)
    assert set(files(store.path.parent)) == {"choices.jsonl"}
    assert list(store.choices()) == []
    monkeypatch.undo()

    assert counts(import_conversations(export, store)) == (2, 2, 0, 0)
    assert len(list(store.choices())) == 6
    assert counts(import_conversations(export, store)) == (2, 0, 0, 2)


def test_a_large_export_is_imported_in_little_memory(tmp_path: Path, store: JsonlStore) -> None:
    export = tmp_path / "a.json"
    write_large(export, 60)

    *_, grew, added = run_import(export, store)

    assert int(added) > 1000
    assert int(grew) < 80 * 2**20
    *_, grew, added = run_import(export, store)
    assert int(added) == 0
    assert int(grew) < 80 * 2**20


def test_every_format_of_row_has_the_markers_in_no_repr(tmp_path: Path, store: JsonlStore) -> None:
    rows: list[JSON] = [branching_chatgpt("a")]
    import_conversations(write_array(tmp_path / "a", rows), store)

    assert MARKER not in repr([*store.choices(), *read_conversations(store.path)])
