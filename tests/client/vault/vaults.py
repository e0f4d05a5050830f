"""Vaults with marker strings in every place that holds private text, and ways to look for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from client.importers.imported import Branch
from client.persona.book import PersonaBook, Reading
from client.persona.inference import Observed
from client.persona.statements import Evidence, Observation, Statement
from client.vault.database import DATABASE_FILE
from client.vault.header import HEADER_FILE, Header
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from shared.conversation import Conversation, Message, PreferencePair

MARKERS = {
    "conversation": "zebra-conversation-5a1f",
    "choice": "zebra-choice-77c2",
    "pair": "zebra-pair-e90b",
    "persona": "zebra-persona-31d8",
    "struck": "zebra-struck-b6b4",
    "written": "zebra-written-0c55",
}
_PAGE_BYTES, _RESERVED_BYTES, _SALT_BYTES = 4096, 80, 16


def a_conversation(number: int, text: str = "", *, turns: int = 2) -> Conversation:
    """Conversation `chatgpt:c<number>`, different from others'."""
    said = f"{MARKERS['conversation']} {number} {text}"
    return Conversation(
        conversation_id=f"chatgpt:c{number}",
        started=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number),
        messages=tuple(
            Message(role="user" if turn % 2 == 0 else "assistant", content=f"{said} turn {turn}")
            for turn in range(turns)
        ),
    )


def a_pair(text: str = "", persona: str | None = None) -> PreferencePair:
    """A pair with the marker in all its texts."""
    said = f"{MARKERS['pair']} {text}"
    return PreferencePair(
        prompt=(Message(role="user", content=f"prompt {said}"),),
        chosen=(Message(role="assistant", content=f"chosen {said}"),),
        rejected=(Message(role="assistant", content=f"rejected {said}"),),
        persona=persona,
    )


def a_branch(text: str = "") -> Branch:
    """The reply to the first message was regenerated."""
    left = (Message(role="assistant", content=f"{MARKERS['choice']} {text}"),)
    return Branch(at=1, kept=1, left=left, kind="regenerated")


def evidence(number: int, turn: int = 0) -> Evidence:
    """In `a_conversation(number)`."""
    started = a_conversation(number).started
    return Evidence(conversation_id=f"chatgpt:c{number}", turn=turn, date=started)


def a_book(*numbers: int, struck: tuple[str, ...] = (), written: tuple[Statement, ...] = ()) -> PersonaBook:
    """What was observed in these conversations: one statement in each."""
    return PersonaBook(
        reader="a model",
        read={
            f"chatgpt:c{number}": Reading(
                digest=f"digest {number}",
                observed=Observed(
                    observations=(
                        Observation(text=f"{MARKERS['persona']} {number}", evidence=evidence(number)),
                        *(Observation(text=text, evidence=evidence(number)) for text in struck),
                    )
                ),
            )
            for number in numbers
        },
        written=written,
        struck=struck,
    )


def key_of(directory: Path) -> KeyFile:
    """The key file beside a vault."""
    return KeyFile(directory.with_name(f"{directory.name}.key"))


def new_vault(directory: Path) -> Vault:
    """An empty vault that a key file opens."""
    return Vault.create(directory, key_of(directory))


def fill(vault: Vault, *, conversations: int = 3) -> None:
    """Everything that a vault can hold, with markers."""
    for number in range(conversations):
        with vault.imports.importing() as transaction:
            transaction.put(a_conversation(number), [a_branch(str(number))])
    vault.consents.decide("imports", granted=True)
    written = (
        Statement(text=f"{MARKERS['written']}", source="user", locked=True),
        Statement(text=f"{MARKERS['persona']} 1", evidence=(evidence(1),), locked=True),
    )
    vault.personas.save(a_book(*range(conversations), struck=(MARKERS["struck"],), written=written))
    persona = [
        Statement(text=f"{MARKERS['persona']} {number}", evidence=(evidence(number),))
        for number in range(conversations)
    ]
    for number in range(conversations):
        vault.pairs.add(
            a_pair(str(number), persona=" ".join(one.text for one in persona)),
            conversation_ids=[f"chatgpt:c{number}"],
            persona=persona,
        )
    vault.votes.add("chatgpt:c0", turn=0, tuned_first=True, outcome="tuned", pair=1)


def found_in(directory: Path, texts: tuple[str, ...] = tuple(MARKERS.values())) -> dict[str, list[str]]:
    """Which of the texts stand in which file at or below a directory, as UTF-8 or UTF-16."""
    found: dict[str, list[str]] = {}
    for path in directory.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        for text in texts:
            if text.encode() in content or text.encode("utf-16-le") in content:
                found.setdefault(str(path.relative_to(directory)), []).append(text)
    return found


def data_key(directory: Path) -> bytes:
    """Of a vault that its key file opens."""
    header = Header.read(directory / HEADER_FILE)
    assert header is not None
    return header.unwrap(key_of(directory))


def decrypted(path: Path, key: bytes) -> bytes:
    """Every byte of a database file in plain, free pages and gaps too: by SQLCipher 4's format and not by its code."""
    content = path.read_bytes()
    assert len(content) % _PAGE_BYTES == 0
    plain = []
    for start in range(0, len(content), _PAGE_BYTES):
        page = content[start : start + _PAGE_BYTES]
        body = page[_SALT_BYTES if start == 0 else 0 : -_RESERVED_BYTES]
        cipher = Cipher(AES256(key), CBC(page[-_RESERVED_BYTES:][:16])).decryptor()
        plain.append(cipher.update(body) + cipher.finalize())
    return b"".join(plain)


def in_plain(directory: Path, text: str) -> int:
    """How often a text stands in the decrypted database, wherever in its pages."""
    assert not (directory / f"{DATABASE_FILE}-wal").exists() or not (directory / f"{DATABASE_FILE}-wal").stat().st_size
    return decrypted(directory / DATABASE_FILE, data_key(directory)).count(text.encode())
