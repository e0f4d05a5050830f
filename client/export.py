"""Everything that is kept of a person, in open formats that other programs read. Plain text: theirs to guard.

conversations.jsonl   one a line, as `tacit import --format messages` reads them back
pairs.jsonl           TRL's conversational format, with where each came from
choices.jsonl         replies that were left for others
persona.json          statements, with the places that they rest on, and what was struck out
votes.jsonl, consents.json, privacy.jsonl
adapter/              the adapter that answers, as PEFT reads it (with `adapters`)
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from client.conversation_files import format_conversation
from client.persona.book import PersonaBook, statement_values
from client.privacy_ledger import PrivacyLedger
from client.profile import Profile
from client.vault.consents import CONSENT_SOURCES
from client.vault.vault import Vault
from client.whole_text import whole_text
from shared.conversation import Conversation, Message, PreferencePair
from shared.preference_lines import PreferenceLine, format_preference_line
from shared.private_files import sync, write_private

_MADE_IN = "export"


class ExportError(RuntimeError):
    """There is something where the export was to be made."""


def export_all(
    profile: Profile, vault: Vault, directory: Path, *, save_adapter: Callable[[Path], None] | None = None
) -> dict[str, int]:
    """Writes a new directory that only its owner may read, whole or not at all.

    What an export to this place that was killed has left is removed.

    Args:
        save_adapter: writes the adapter into a directory; None leaves it out.

    Returns:
        file → entries in it.

    Raises:
        ExportError: there is something at `directory`.
        OSError, VaultError, LedgerError: nothing was left.
    """
    if directory.exists() or directory.is_symlink():
        raise ExportError(f"{directory} is there already: name a new directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    for left in unfinished_exports(directory.parent, directory.name):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as name:  # mode 0700
        made = Path(name) / _MADE_IN
        made.mkdir(mode=0o700)
        counts = {
            "conversations.jsonl": _write(made / "conversations.jsonl", map(_conversation, vault.conversations)),
            "pairs.jsonl": _write(
                made / "pairs.jsonl",
                (
                    f"{format_preference_line(PreferenceLine(pair=_whole_pair(one.pair)))}\n".encode()
                    for one in vault.pairs.every()
                ),
            ),
            "pair_facts.jsonl": _write(made / "pair_facts.jsonl", _lines(_pair_facts(vault))),
            "choices.jsonl": _write(made / "choices.jsonl", _lines(_choices(vault))),
            "votes.jsonl": _write(made / "votes.jsonl", _lines(vault.votes.rows())),
            "privacy.jsonl": _write(made / "privacy.jsonl", _lines(_privacy(profile))),
            "persona.json": _write(made / "persona.json", _lines([_persona(vault.personas.load())])),
            "consents.json": _write(
                made / "consents.json", _lines([{one: vault.consents.granted(one) for one in CONSENT_SOURCES}])
            ),
        }
        if save_adapter is not None:
            save_adapter(made / "adapter")
            (made / "adapter").chmod(0o700)
        made.rename(directory)
        sync(directory.parent)
    return counts


def unfinished_exports(place: Path, name: str | None = None) -> tuple[Path, ...]:
    """Directories that exports left when they were killed: plain text, which nothing else finds.

    Args:
        place: where they were to be made.
        name: of the one that was to be made; None is any.

    Raises:
        OSError: the place cannot be read.
    """
    wanted = re.compile(rf"\.{'.+' if name is None else re.escape(name)}\.[a-z0-9_]{{8}}")
    return tuple(
        path
        for path in sorted(place.iterdir())
        if wanted.fullmatch(path.name)
        and not path.is_symlink()
        and (path / _MADE_IN).is_dir()
        and [one.name for one in path.iterdir()] == [_MADE_IN]
    )


def _write(path: Path, lines: Iterable[bytes]) -> int:
    count = 0

    def counted() -> Iterator[bytes]:
        nonlocal count
        for line in lines:
            count += 1
            yield line

    write_private(path, counted())
    return count


def _lines(values: Iterable[object]) -> Iterator[bytes]:
    return (json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for value in values)


def _conversation(conversation: Conversation) -> bytes:
    return format_conversation(replace(conversation, messages=_whole(conversation.messages)))


def _whole_pair(pair: PreferencePair) -> PreferencePair:
    return replace(
        pair,
        prompt=_whole(pair.prompt),
        chosen=_whole(pair.chosen),
        rejected=_whole(pair.rejected),
        persona=None if pair.persona is None else whole_text(pair.persona),
    )


def _whole(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The vault keeps what was said as it was; a file in UTF-8 cannot."""
    return tuple(replace(message, content=whole_text(message.content)) for message in messages)


def _pair_facts(vault: Vault) -> Iterator[dict[str, object]]:
    for one in vault.pairs.every():
        yield {"state": one.state, "made_at": one.made_at.isoformat(), "conversation_ids": list(one.conversation_ids)}


def _choices(vault: Vault) -> Iterator[dict[str, object]]:
    for one in vault.choices.every():
        choice = one.choice
        parts = {"prompt": choice.prompt, "kept": choice.kept, "left": choice.left}
        yield {
            "conversation_id": one.conversation_id,
            "kind": choice.kind,
            **{
                name: [{"role": message.role, "content": message.content} for message in messages]
                for name, messages in parts.items()
            },
        }


def _persona(book: PersonaBook) -> dict[str, object]:
    return {"statements": [statement_values(one) for one in book.persona().statements], "struck": list(book.struck)}


def _privacy(profile: Profile) -> Iterator[dict[str, object]]:
    if not profile.ledger_directory.is_dir():
        return
    ledger = PrivacyLedger(directory=profile.ledger_directory, anchor_directory=profile.state_directory)
    for charge in ledger.charges():
        yield {
            "run": charge.run,
            "round": charge.round_number,
            "protects": charge.plan.privacy_unit,
            "plan": charge.plan.digest(),
            "answered": charge.reply is not None,
        }
    for run, number, reason in ledger.refusals():
        yield {"run": run, "round": number, "declined": reason}
