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
    assert first is not None
    assert keep_reply(vault, _after("By magic."), "Yes.") != first
    assert vault.conversations.get(first).messages[1:] == (message("assistant", "By yeast."),)
    assert keep_reply(vault, _after("By yeast."), "Yes.") == first
    assert len(vault.conversations.get(first).messages) == 4


def test_of_two_that_began_alike_the_one_that_is_meant_goes_on(vault: Vault) -> None:
    first = keep_reply(vault, _after("By yeast."), "Yes.")
    second = keep_reply(vault, _after("By gas."), "No.")
    assert first is not None
    assert second is not None
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


def test_what_was_forgotten_is_not_kept_again(vault: Vault) -> None:
    first = keep_reply(vault, _after("By yeast."), "Yes.")
    assert first is not None
    vault.forget(first)
    more = message("user", "More?")
    for asked in (
        (*_after("By yeast."), message("assistant", "Yes."), more),
        (*_after("By yeast.")[:2], message("user", "This was edited.")),
        _ASKED,  # its first reply is asked for again
        (message("system", "It is noon."), *_after("By yeast.")),
        (message("user", "  How does\nbread rise? "), *_after("By yeast.")[1:]),
    ):
        assert keep_reply(vault, asked, "Fine.") is None
    assert len(vault.conversations) == 0
    assert keep_reply(vault, (message("user", "How do stars shine?"),), "By fusion.") is not None


def test_what_goes_on_from_a_private_conversation_is_private(vault: Vault) -> None:
    vault.consents.decide("chats", granted=True)
    first = keep_reply(vault, _after("By yeast."), "Yes.")
    assert first is not None
    vault.mark_private(first)
    edited = keep_reply(vault, (*_after("By yeast.")[:2], message("user", "This was edited.")), "Fine.")
    again = keep_reply(vault, (message("user", "How does bread rise?"),), "Slowly.")
    of_edited = keep_reply(vault, (*_after("Slowly.")[:2], message("user", "Edited, too.")), "Fine.")
    assert len({first, edited, again, of_edited}) >= 3
    assert list(vault.conversations.trainable()) == []
    other = keep_reply(vault, (message("user", "How do stars shine?"),), "By fusion.")
    assert [one.conversation_id for one in vault.conversations.trainable()] == [other]


def test_conversations_that_were_private_before_are_recognised(vault: Vault) -> None:
    """Of a vault whose table of beginnings is new."""
    old = Conversation(conversation_id="chat:old", messages=(*_ASKED, message("assistant", "By yeast.")))
    vault.conversations.put(old, source="chats", private=True)
    made = keep_reply(vault, _after("By yeast."), "Yes.")
    assert made is not None
    assert vault.conversations.facts(made).private


def test_a_greeting_is_no_sign_of_anything(vault: Vault) -> None:
    first = keep_reply(vault, (message("user", "hi"),), "Hello!")
    assert first is not None
    vault.forget(first)
    second = keep_reply(vault, (message("user", "hi"),), "Hello!")
    assert second is not None
    assert not vault.conversations.facts(second).private


def test_a_front_end_that_tells_the_time_goes_on_with_one_conversation(vault: Vault) -> None:
    first = keep_reply(vault, (message("system", "It is noon."), *_ASKED), "By yeast.")
    assert first is not None
    vault.mark_private(first)
    assert keep_reply(vault, (message("system", "It is one."), *_after("By yeast.")), "Yes.") == first
    assert keep_reply(vault, (message("system", "It is two."), *_after("By yeast.")), "No.") == first
    assert keep_reply(vault, _after("By yeast."), "No.") == first
    kept = vault.conversations.get(first).messages
    assert kept == (message("system", "It is noon."), *_after("By yeast."), message("assistant", "No."))
    assert len(vault.conversations) == 1


def test_digests_of_beginnings_tell_nothing_without_the_vault(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with new_vault(tmp_path / name) as vault:
            kept = keep_reply(vault, _after("By yeast."), "Yes.")
            assert kept is not None
            vault.forget(kept)
            found.append({row[0] for row in vault._database.execute("SELECT digest FROM excluded_beginnings")})
    assert len(found[0]) == len(found[1]) == 4
    assert not found[0] & found[1]


def test_an_id_says_nothing_of_what_was_said(vault: Vault) -> None:
    names = {keep_reply(vault, (message("user", f"bread {turn}"),), "Yes.") for turn in range(3)}
    assert len(names) == 3
    assert all(name is not None and name.startswith("chat:") and len(name) == 37 for name in names)
