"""Files, .zip files and folders: what is opened, what is refused, and that damage and bombs cost nothing else."""

from __future__ import annotations

import gzip
import json
import pickle
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from client.importers import reading
from client.importers.detection import detect
from client.importers.imported import FormatName
from client.importers.reading import ImportFileError, chunks, sources_of
from client.importers.records import ImportLimits, records
from tests.client.importers.exports import (
    JSON,
    MARKER,
    claude,
    lmsys,
    messages_row,
    open_webui,
    plain_chatgpt,
    sharegpt,
    wildchat,
    write_array,
    write_lines,
    write_zip,
)

LIMITS = ImportLimits()


def names(path: Path) -> list[str]:
    return [source.label.rpartition("/")[2].rpartition(": ")[2] for source in sources_of(path)]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("chatgpt", plain_chatgpt()),
        ("claude", claude()),
        ("sharegpt", sharegpt(None)),
        ("wildchat", wildchat()),
        ("lmsys", lmsys()),
        ("open-webui", open_webui()),
        ("messages", messages_row()),
    ],
)
def test_the_format_is_told_by_the_beginning(tmp_path: Path, name: FormatName, row: JSON) -> None:
    array = write_array(tmp_path / "a", [7, row])
    lines = write_lines(tmp_path / "l", [{"other": 1}, row])
    packed = tmp_path / "g"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    zipped = write_zip(tmp_path / "z", {"conversations.json": array.read_bytes(), "chat.html": "x"})

    for path in (array, lines, packed, zipped):
        found = detect(path)
        assert found.format.name == name
        assert [one for one in records(found.sources[0], limits=LIMITS) if isinstance(one, dict)][-1] == row


@pytest.mark.parametrize("row", [wildchat(), lmsys()])
def test_parquet_is_read_row_group_by_row_group(tmp_path: Path, row: JSON) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [row, {**row, "conversation": [{"role": "user", "content": "x" * 5000}]}, row]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=1)

    found = detect(tmp_path)
    read = list(records(found.sources[0], limits=ImportLimits(conversation_bytes=4000), columns=found.format.columns))

    assert found.format.columns is not None
    assert [isinstance(one, str) for one in read] == [False, True, False]
    assert not isinstance(read[0], str)
    assert set(read[0]) == set(found.format.columns) & set(row)
    imported = found.format.parse(read[0])
    assert len(imported.conversation.messages) == 2

    damaged = (tmp_path / "a.parquet").read_bytes()
    for cut in range(0, len(damaged), max(1, len(damaged) // 60)):
        (tmp_path / "b.parquet").write_bytes(damaged[:cut])
        (source,) = sources_of(tmp_path / "b.parquet")
        with pytest.raises(ImportFileError) as raised:
            list(records(source, limits=LIMITS, columns=found.format.columns))
        assert MARKER not in str(raised.value)


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1....")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(ImportFileError, match=r"tacit\[parquet\]"):
        detect(tmp_path / "a.parquet")


def test_a_split_export_is_read_in_order(tmp_path: Path) -> None:
    part = json.dumps([plain_chatgpt()])
    for name in ("conversations-001.json", "conversations-000.json", "user.json", "shared_conversations.json"):
        (tmp_path / name).write_text(part)
    zipped = write_zip(tmp_path / "z.zip", {f"export/conversations-00{n}.json": part for n in (1, 0)})

    assert names(tmp_path) == ["conversations-000.json", "conversations-001.json"]
    assert names(zipped) == ["conversations-000.json", "conversations-001.json"]


@pytest.mark.parametrize(
    "members",
    [
        ["../conversations.json"],
        ["../../conversations.json", "/conversations.json"],
        ["..\\conversations.json", "c:/conversations.json", "c:conversations.json"],
        ["a/b/conversations.json"],
        ["./conversations.json"],
        ["conversations.json/"],
        ["conversations.json.exe", "xconversations.json", "Conversations.json\x00.json"],
        ["a/conversations.json", "b/conversations.json"],
        [],
    ],
)
def test_path_tricks_in_a_zip_are_not_the_names_looked_for(tmp_path: Path, members: list[str]) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(zipfile.ZipInfo(member), json.dumps([plain_chatgpt()]))
    before = sorted(tmp_path.iterdir())

    with pytest.raises(ImportFileError) as raised:
        detect(path)

    assert ".." not in str(raised.value).replace(str(path), "")
    assert sorted(tmp_path.iterdir()) == before


def test_odd_zips_are_refused_by_name(tmp_path: Path) -> None:
    content = json.dumps([plain_chatgpt()])
    twice = tmp_path / "twice.zip"
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("conversations.json", content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("conversations.json", content)
    with pytest.raises(ImportFileError, match="two files of one name"):
        detect(twice)
    slow = tmp_path / "slow.zip"
    with zipfile.ZipFile(slow, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("conversations.json", content)
    with pytest.raises(ImportFileError, match="uncommon"):
        detect(slow)
    locked = bytearray(write_zip(tmp_path / "locked.zip", {"conversations.json": content}).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(ImportFileError, match="encrypted"):
        detect(tmp_path / "locked.zip")


def test_what_is_nothing_known_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportFileError, match=r"neither conversations\.json nor a file that ends in"):
        detect(tmp_path / "empty")
    with pytest.raises(ImportFileError, match=r"`mapping`.*`chat_messages`.*`chat`") as raised:
        detect(write_array(tmp_path / "a.json", [{MARKER: MARKER}]))
    assert MARKER not in str(raised.value)
    (tmp_path / "b.json").write_text(MARKER)
    with pytest.raises(ImportFileError, match=r"begins with neither"):
        detect(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError):
        detect(tmp_path / "gone")
    with pytest.raises(ImportFileError, match="neither a file nor a folder"):
        detect(Path("/dev/null"))


def test_errors_survive_a_pickle() -> None:
    error = ImportFileError(file="f", reason="r", offset=7, element=2)

    again = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert str(again) == str(error) == "f, byte 7, conversation 2: r"


@pytest.mark.parametrize("packing", ["plain", "lines", "gzip", "zip", "zip with a bad sum"])
def test_a_file_cut_anywhere_gives_what_came_before_and_one_error(tmp_path: Path, packing: str) -> None:
    rows = [plain_chatgpt(f"c{place}", words='ä\ud83d{"[') for place in range(2)]
    whole = json.dumps(rows).encode()
    if packing == "lines":
        whole = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    elif packing == "gzip":
        whole = gzip.compress(whole)
    elif packing.startswith("zip"):
        whole = write_zip(tmp_path / "z", {"conversations.json": whole}).read_bytes()
    path = tmp_path / "cut"
    most = 0
    for cut in (*range(0, len(whole), 7), len(whole) - 1):
        data = whole[:cut]
        if packing.endswith("sum"):
            data = whole[:cut] + bytes([whole[cut] ^ 0x55]) + whole[cut + 1 :]
        path.write_bytes(data)
        read: list[object] = []
        error: ImportFileError | None = None
        try:
            for source in sources_of(path):
                read.extend(one for one in records(source, limits=LIMITS) if not isinstance(one, str))
        except ImportFileError as raised:
            error = raised
        assert packing.endswith("sum") or read == rows[: len(read)]
        if packing not in ("lines", "zip with a bad sum"):
            assert error is not None
        most = max(most, len(read))
        if error is not None:
            assert MARKER not in str(error) + repr(error)
            assert error.__cause__ is None
            assert error.__context__ is None
    assert most == (0 if packing == "zip" else 2)  # a .zip has its table at the end


def test_what_unpacks_to_far_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BOMB_BYTES", 2**20)
    spaces = b"[" + b" " * 2**23 + b"]"
    packed = tmp_path / "g"
    packed.write_bytes(gzip.compress(spaces))

    for path in (packed, write_zip(tmp_path / "z", {"conversations.json": spaces})):
        (source,) = sources_of(path)
        told: list[int] = []
        with pytest.raises(ImportFileError, match="300 times") as raised:
            list(chunks(source, told.append))
        assert (raised.value.offset or 0) <= max(2**20, reading.BOMB_RATIO * path.stat().st_size) + reading.CHUNK_BYTES


_BOMBED = """
import resource, sys
from pathlib import Path
from client.importers.reading import sources_of
from client.importers.records import ImportLimits, records
held = 200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (held, held))
(source,) = sources_of(Path(sys.argv[1]))
found = list(records(source, limits=ImportLimits(conversation_bytes=4 * 2**20)))
print([one if isinstance(one, str) else "read" for one in found])
"""


def test_a_zip_bomb_takes_no_memory(tmp_path: Path) -> None:
    """250 MB of one string between two conversations, in a process that may not have as much."""
    path = tmp_path / "bomb.zip"
    good = json.dumps(plain_chatgpt()).encode()
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("conversations.json", "w") as member,
    ):
        member.write(b"[" + good + b', {"mapping": "')
        for _ in range(250):
            member.write(b"x" * 2**20)
        member.write(b'"}, ' + good + b"]")
    assert path.stat().st_size < 4 * 2**20

    done = subprocess.run(
        [sys.executable, "-c", _BOMBED, str(path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "['read', 'larger than the limit for one conversation', 'read']", done.stderr


def test_progress_counts_to_the_size(tmp_path: Path) -> None:
    array = write_array(tmp_path / "a", [plain_chatgpt(words="x" * 10_000)] * 100)
    packed = tmp_path / "g"
    packed.write_bytes(gzip.compress(array.read_bytes()))
    for path in (array, packed, write_zip(tmp_path / "z", {"conversations.json": array.read_bytes()})):
        told: list[int] = []
        (source,) = sources_of(path)
        list(chunks(source, told.append))
        assert told == sorted(told)
        assert told[-1] == source.size


def test_limits_are_limits() -> None:
    assert resource.RLIMIT_AS  # these tests are for systems that have it
    with pytest.raises(ValueError, match="at least 1"):
        ImportLimits(conversation_bytes=0)
