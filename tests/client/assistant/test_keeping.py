"""Which conversation is meant by a front end that names none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.assistant.keeping import keep_reply, request_digest
from client.vault.vault import Vault
from shared.conversation import Conversation, Message
from tests.client.vault.vaults import new_vault
from tests.tiny import message

_ASKED = (message("user", "How does bread rise?"),)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with new_vault(tmp_path / "vault") as made:
        yield made


def _after(reply: str) -> tuple[Message, ...]:
    return (*_ASKED, message("assistant", reply), message("user", "And sugar?"))


def test_a_reply_that_was_changed_elsewhere_makes_another_conversation(vault: Vault) -> None:
    first = keep_reply(vault, _ASKED, "By yeast.")
    assert keep_reply(vault, _after("By magic."), "Yes.") != first
    assert vault.conversations.get(first).messages[1:] == (message("assistant", "By yeast."),)
    assert keep_reply(vault, _after("By yeast."), "Yes.") == first
    assert len(vault.conversations.get(first).messages) == 4


def test_of_two_that_began_alike_the_one_that_is_meant_goes_on(vault: Vault) -> None:
    first = keep_reply(vault, _after("By yeast."), "Yes.")
    second = keep_reply(vault, _after("By gas."), "No.")
    assert first != second
    goes_on = (*_after("By yeast."), message("assistant", "Yes."), message("user", "Why?"))
    started = vault.conversations.get(first).started
    assert keep_reply(vault, goes_on, "So.") == first
    assert vault.conversations.get(first).started == started
    assert len(vault.conversations.get(second).messages) == 4


def test_what_was_imported_is_left_alone(vault: Vault) -> None:
    imported = Conversation(conversation_id="chatgpt:1", messages=_after("By yeast.")[:2])
    vault.conversations.put(imported, source="imports", digest=request_digest(_ASKED))
    assert keep_reply(vault, _after("By yeast."), "Yes.") != "chatgpt:1"
    assert vault.conversations.get("chatgpt:1") == imported


def test_a_conversation_that_was_forgotten_begins_anew(vault: Vault) -> None:
    first = keep_reply(vault, _ASKED, "By yeast.")
    vault.forget(first)
    assert keep_reply(vault, _after("By yeast."), "Yes.") != first
    assert len(vault.conversations) == 1


def test_an_id_says_nothing_of_what_was_said(vault: Vault) -> None:
    names = {keep_reply(vault, (message("user", f"bread {turn}"),), "Yes.") for turn in range(3)}
    assert len(names) == 3
    assert all(name.startswith("chat:") and len(name) == 37 for name in names)
