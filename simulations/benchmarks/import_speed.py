"""What importing a large ChatGPT-shaped export costs: conversations per second, and peak memory.

The export is made: some 20 kB a conversation, with a root, a hidden system message, turns of a few sentences with lists
and code, a reply regenerated in every second conversation and a message edited in every third. It is imported into
an encrypted vault, twice (the second time everything is there already), and into a plain file, each time in a process
of its own, whose memory is what is measured. The peer is what a script would do, `json.load` of the whole file; it is
asked for a tenth of the size, which the import is asked for too, since it holds everything at once.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_PROSE = """
the of and a to in is it you that for on are with as be this have from or one had by word but not what all were when
your can said there use an each which she do how their if will up other about out many then them these so some her would
make like him into time has look two more write go see number no way could people my than first bread oven yeast flour
naïve café Brötchen パン 🍞
"""
_WORDS = _PROSE.split()
_WAYS = {"import": "vault", "import again": "vault", "import into a plain file": "file", "json.load": "load"}
_MODELS = ("gpt-4o", "o3", "gpt-5")


def run(
    json_path: Path | None = None,
    *,
    megabytes: int = 1000,
    directory: Path | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        megabytes: of the export, in 10^6 bytes; at least 10. About twice as much is written, and removed.
        directory: where; None takes the system's.
        progress: is told of every finished part.
    """
    # The children must not have PyTorch: their memory is measured.
    from simulations.benchmarks.report import make_report

    results: list[dict[str, object]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=directory, prefix="import-speed-") as made:
        for size, parts in (
            (megabytes // 10, ("import", "json.load")),
            (megabytes, ("import", "import again", "import into a plain file")),
        ):
            place = Path(made) / str(size)
            place.mkdir()
            export = place / "conversations.json"
            conversations = write_export(export, size * 10**6)
            told = {"export_bytes": export.stat().st_size, "conversations": conversations}
            found = {}
            for part in parts:
                figures = found[part] = _measure(_WAYS[part], export, place / "kept")
                per_second = conversations / figures["seconds"]
                results.append({"part": part, **told, **figures, "conversations_per_second": per_second})
                progress(
                    f"{part}, {size} MB: {figures['seconds']:.1f} s, {per_second:,.0f} conversations/s, "
                    f"peak {figures['peak_bytes'] / 1e6:.0f} MB ({figures['grown_bytes'] / 1e6:.0f} above the start)"
                )
            if "json.load" in found:
                for name, key in (("memory", "peak_bytes"), ("time", "seconds")):
                    ratios[f"{name}, {size} MB: json.load against the import"] = (
                        found["json.load"][key] / found["import"][key]
                    )
    return make_report("import-speed", packages=("tacit",), results=results, ratios=ratios, json_path=json_path)


def write_export(path: Path, size: int, *, seed: int = 0) -> int:
    """Writes an export of at least `size` bytes, the same for a seed; the number of its conversations."""
    chance = random.Random(seed)
    bodies = [_conversation(chance, number) for number in range(40)]
    written = number = 0
    with path.open("w", encoding="utf-8") as file:
        while written < size:
            own_id = f"{number:08x}-0000-4000-8000-{chance.getrandbits(48):012x}"
            written += file.write(("[" if not number else ", ") + chance.choice(bodies).replace("CONVERSATION", own_id))
            number += 1
        file.write("]")
    return number


def _conversation(chance: random.Random, number: int) -> str:
    nodes: dict[str, dict[str, object]] = {}
    children: dict[str, list[str]] = {}

    def add(role: str, text: str, parent: str, *, hidden: bool = False) -> str:
        name = f"aaaaaaaa-0000-4000-8000-{len(nodes):012x}"
        children[name] = []
        if parent:
            children[parent].append(name)
        metadata: dict[str, object] = {"model_slug": chance.choice(_MODELS), "request_id": "CONVERSATION"}
        if hidden:
            metadata["is_visually_hidden_from_conversation"] = True
        message = {
            "id": name,
            "author": {"role": role, "name": None, "metadata": {}},
            "create_time": 1.7e9 + 60 * len(nodes),
            "update_time": None,
            "content": {"content_type": "text", "parts": [text]},
            "status": "finished_successfully",
            "end_turn": True,
            "weight": 1.0,
            "metadata": metadata,
            "recipient": "all",
            "channel": None,
        }
        nodes[name] = {"id": name, "message": message if role else None, "parent": parent or None}
        nodes[name]["children"] = children[name]
        return name

    last = add("system", "", add("", "", ""), hidden=True)
    for turn in range(chance.randrange(3, 9)):
        if turn == 1 and number % 3 == 0:
            add("assistant", _text(chance, 120), add("user", _text(chance, 30), last))
        last = add("user", _text(chance, 30), last)
        if turn == 1 and number % 2 == 0:
            add("assistant", _text(chance, 150), last)
        last = add("assistant", _text(chance, 300), last)
    return json.dumps(
        {
            "title": _text(chance, 5),
            "create_time": 1.7e9 + number,
            "update_time": 1.7e9 + number,
            "mapping": nodes,
            "moderation_results": [],
            "current_node": last,
            "conversation_id": "CONVERSATION",
            "id": "CONVERSATION",
        }
    )


def _text(chance: random.Random, words: int) -> str:
    lines = []
    while words > 0:
        count = min(words, chance.randrange(8, 25))
        line = " ".join(chance.choices(_WORDS, k=count))
        lines.append(chance.choice(("", "- ", '```python\nprint("', "")) + line)
        words -= count
    return "\n".join(lines)


def _measure(what: str, export: Path, kept: Path) -> dict[str, float]:
    kept.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "simulations.benchmarks.import_speed", what, str(export), str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _print_measured(what: str, export: Path, kept: Path) -> None:
    from client.importers.importing import ConversationStore, import_conversations
    from client.importers.jsonl_store import JsonlStore
    from client.vault.keys import KeyFile
    from client.vault.vault import Vault

    before = _resident_bytes("VmRSS")
    began = time.perf_counter()
    figures: dict[str, float] = {}
    if what == "load":
        with export.open(encoding="utf-8") as file:
            held = json.load(file)
        figures["read"] = len(held)
    else:
        store: ConversationStore = JsonlStore(kept / "conversations.jsonl")
        if what == "vault":
            key, directory = KeyFile(kept / "key"), kept / "vault"
            store = (Vault.create if Vault.kind(directory) is None else Vault.open)(directory, key).imports
        report = import_conversations(export, store)
        figures = {"read": report.read, "added": report.added, "unchanged": report.unchanged}
        figures["choices"] = sum(report.choices.values())
    figures["seconds"] = time.perf_counter() - began
    figures["peak_bytes"] = _resident_bytes("VmHWM")
    figures["grown_bytes"] = figures["peak_bytes"] - before
    print(json.dumps(figures))


def _resident_bytes(field: str) -> int:
    """What Linux says of this process's memory. Not `ru_maxrss`, which a child inherits from the process before it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("vault", "file", "load"))
    parser.add_argument("export", type=Path)
    parser.add_argument("kept", type=Path)
    arguments = parser.parse_args()
    _print_measured(arguments.what, arguments.export, arguments.kept)
