"""What a vault holds and gives back, and who may be learned from."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from client.importers.importing import ConversationStore, import_conversations
from client.persona.book import PersonaBook, Reading
from client.persona.inference import Observed
from client.persona.statements import Evidence, Observation, Statement
from client.vault.database import DATABASE_FILE, open_database
from client.vault.errors import ExcludedError, UnknownError, VaultBusyError, VaultError, VaultLockedError
from client.vault.vault import Vault
from shared.conversation import Conversation, InvalidConversationError, Message
from tests.client.vault.vaults import (
    MARKERS,
    a_book,
    a_branch,
    a_conversation,
    a_pair,
    data_key,
    evidence,
    fill,
    key_of,
    new_vault,
)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return new_vault(tmp_path / "vault")


def trainable(vault: Vault) -> list[str]:
    return [one.conversation_id for one in vault.conversations.trainable()]


def test_what_was_said_comes_back_as_it_was(vault: Vault) -> None:
    half_an_emoji, nul = "half \ud83d of one", "a\0b"
    said = Conversation(
        conversation_id="c",
        messages=(
            Message(role="system", content=half_an_emoji),
            Message(role="user", content=nul),
            Message(role="user", content=""),
        ),
    )
    vault.conversations.put(said, source="chats")
    vault.conversations.append("c", [Message(role="assistant", content="ü" * 100_000)])
    assert vault.conversations.get("c").messages[:3] == said.messages
    assert vault.conversations.get("c").messages[3].content == "ü" * 100_000
    facts = vault.conversations.facts("c")
    assert (facts.source, facts.messages, facts.private, facts.started) == ("chats", 4, False, None)
    pair = a_pair(half_an_emoji)
    assert vault.pairs.get(vault.pairs.add(pair, conversation_ids=["c"])).pair == pair
    with pytest.raises(UnknownError):
        vault.conversations.append("none", [])
    with pytest.raises(UnknownError):
        vault.conversations.get("none")


def test_an_id_that_is_no_unicode_is_refused_without_being_quoted(vault: Vault) -> None:
    with pytest.raises(VaultError) as caught:
        vault.conversations.put(
            Conversation(conversation_id="secret\ud83d", messages=(Message(role="user", content="x"),)), source="chats"
        )
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(vault.conversations) == 0


def test_conversations_come_in_order_and_a_few_at_a_time(vault: Vault) -> None:
    with vault.imports.importing() as transaction:
        for number in range(150):
            transaction.put(a_conversation(number), [])
    assert [one.conversation_id for one in vault.conversations] == [f"chatgpt:c{number}" for number in range(150)]


def test_nothing_is_learned_from_before_the_user_agreed(vault: Vault) -> None:
    fill(vault)
    vault.consents.decide("imports", granted=False)
    vault.conversations.put(Conversation(conversation_id="chat", messages=a_conversation(9).messages), source="chats")
    vote = a_pair("vote")
    vault.pairs.add(type(vote)(**{**vars(vote), "origin": "vote"}), conversation_ids=["chat"])
    mixed = vault.pairs.add(a_pair("mixed"), conversation_ids=["chat", "chatgpt:c1"])
    assert vault.consents.granted("votes") is None
    assert vault.consents.granted("imports") is False
    assert (trainable(vault), vault.pairs.trainable(), vault.choices.trainable()) == ([], (), ())

    vault.consents.decide("chats", granted=True)
    assert trainable(vault) == ["chat"]
    assert vault.pairs.trainable() == ()  # a vote needs its own consent, and a mixed pair every source's
    vault.consents.decide("votes", granted=True)
    assert [one.pair.origin for one in vault.pairs.trainable()] == ["vote"]
    vault.consents.decide("imports", granted=True)
    assert len(vault.pairs.trainable()) == 5
    # A persona's statement that rests on another source needs that one's consent too.
    statement = Statement(text="Likes tea.", evidence=(evidence(0),))
    under = vault.pairs.add(a_pair("tea", persona="Likes tea."), conversation_ids=["chat"], persona=[statement])
    assert vault.pairs.trainable()[-1].pair.persona == "Likes tea."
    vault.consents.decide("imports", granted=False)
    last = vault.pairs.trainable()[-1]
    assert (last.number, last.pair.persona) == (under, None)
    assert vault.pairs.get(under).pair.persona == "Likes tea."
    vault.consents.decide("imports", granted=True)
    assert mixed in [one.number for one in vault.pairs.trainable()]
    assert len(vault.choices.trainable()) == 3


def test_pairs_go_through_their_states(vault: Vault) -> None:
    fill(vault)
    first, second, third = (one.number for one in vault.pairs.every())
    vault.pairs.drop(first)
    vault.pairs.mark_used([first, second, 999])
    corrected = (Message(role="assistant", content="better"),)
    vault.pairs.correct(third, chosen=corrected)
    assert [one.state for one in vault.pairs.every()] == ["dropped", "used", "corrected"]
    assert vault.pairs.get(third).pair.chosen == corrected
    assert [one.number for one in vault.pairs.trainable()] == [second, third]
    assert [one.number for one in vault.pairs.every("dropped")] == [first]
    with pytest.raises(InvalidConversationError):
        vault.pairs.correct(second, chosen=vault.pairs.get(second).pair.rejected)
    for act in (vault.pairs.drop, vault.pairs.get):
        with pytest.raises(UnknownError):
            act(999)
    assert vault.pairs.get(second).conversation_ids == ("chatgpt:c1",)


def test_a_pair_must_say_what_it_came_from(vault: Vault) -> None:
    fill(vault)
    before = len(vault.pairs)
    with pytest.raises(ValueError, match="must name"):
        vault.pairs.add(a_pair(), conversation_ids=[])
    with pytest.raises(ValueError, match="made of the statements"):
        vault.pairs.add(a_pair(persona="Likes tea."), conversation_ids=["chatgpt:c0"])
    with pytest.raises(ExcludedError):
        vault.pairs.add(a_pair(), conversation_ids=["gone"])
    with pytest.raises(ExcludedError):
        vault.pairs.add(a_pair(), conversation_ids=["chatgpt:c0"], choices=[999])
    unseen = Statement(text="Likes tea.", evidence=(evidence(77),))
    with pytest.raises(ExcludedError):
        vault.pairs.add(a_pair(persona="Likes tea."), conversation_ids=["chatgpt:c0"], persona=[unseen])
    assert len(vault.pairs) == before
    choice = vault.choices.trainable()[1]
    made = vault.pairs.add(a_pair(), conversation_ids=["chatgpt:c0"], choices=[choice.number, choice.number])
    assert vault.pairs.get(made).conversation_ids == ("chatgpt:c0", "chatgpt:c1")
    assert vault.pairs.get(made).choices == (choice.number,)


def test_a_conversation_that_grew_keeps_what_rests_on_it(vault: Vault) -> None:
    fill(vault)
    grown = a_conversation(1, turns=4)
    with vault.imports.importing() as transaction:
        assert transaction.put(grown, [a_branch("1")]) == "updated"
    assert vault.conversations.get("chatgpt:c1") == grown
    assert [one.text for one in vault.personas.load().written] == [MARKERS["written"], f"{MARKERS['persona']} 1"]
    assert len(vault.pairs) == 3
    with vault.imports.importing() as transaction:
        assert transaction.put(grown, [a_branch("1")]) == "unchanged"
        assert transaction.put(a_conversation(1), []) == "shorter"
        assert transaction.put(grown, []) == "updated"
    assert len(vault.choices) == 2


def test_the_vault_is_a_store_for_importers(vault: Vault) -> None:
    store: ConversationStore = vault.imports

    def broken_off() -> None:
        with store.importing() as transaction:
            transaction.put(a_conversation(1), [a_branch()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert len(vault.conversations) == 0
    with store.importing() as transaction:
        assert transaction.put(a_conversation(1), [a_branch()]) == "added"
        with pytest.raises(ValueError, match="outside"):
            transaction.put(a_conversation(2, turns=1), [a_branch()])
    assert vault.conversations.facts("chatgpt:c1").format == "chatgpt"
    vault.consents.decide("imports", granted=True)
    (kept,) = vault.choices.trainable()
    assert kept.choice == a_branch().choice_in(a_conversation(1))


def test_an_export_is_imported_once(vault: Vault, tmp_path: Path) -> None:
    lines = [
        {
            "id": f"s{number}",
            "conversations": [{"from": "human", "value": f"q {number}"}, {"from": "gpt", "value": "a"}],
        }
        for number in range(20)
    ]
    file = tmp_path / "sharegpt.json"
    file.write_text(json.dumps(lines))
    assert import_conversations(file, vault.imports).added == 20
    vault.forget("sharegpt:s3")
    vault.mark_private("sharegpt:s4")
    report = import_conversations(file, vault.imports)
    assert (report.added, report.updated, report.unchanged) == (0, 0, 20)
    assert len(vault.conversations) == 19
    assert vault.conversations.facts("sharegpt:s4").private


def test_a_persona_comes_back_as_it_was(vault: Vault) -> None:
    fill(vault)
    book = vault.personas.load()
    vault.personas.save(book)
    assert vault.personas.load() == book
    assert set(book.read) == {f"chatgpt:c{number}" for number in range(3)}
    assert book.struck == (MARKERS["struck"],)
    another_reader = type(book)(reader="b", read={"chatgpt:c0": book.read["chatgpt:c1"]}, written=(), struck=())
    vault.personas.save(another_reader)
    assert vault.personas.load().reader == "b"
    assert list(vault.personas.load().read) == ["chatgpt:c0"]


def test_a_persona_holds_nothing_of_what_is_not_there(vault: Vault) -> None:
    fill(vault)
    vault.mark_private("chatgpt:c0")
    locked = Statement(text="mixed", evidence=(evidence(0), evidence(1)), locked=True)
    vault.personas.save(a_book(0, 1, 77, written=(locked, Statement(text="no evidence", locked=True))))
    book = vault.personas.load()
    assert list(book.read) == ["chatgpt:c1"]
    assert book.written == ()
    beyond = a_book(1)
    observed = beyond.read["chatgpt:c1"].observed
    vault.conversations.put(a_conversation(1, "other words", turns=1), source="imports")
    found = type(observed.observations[0])(text="x", evidence=evidence(1, turn=1))
    reading = type(beyond.read["chatgpt:c1"])(digest="new", observed=type(observed)(observations=(found,)))
    vault.personas.save(type(beyond)(reader="a model", read={"chatgpt:c1": reading}))
    assert vault.personas.load().read == {}


def test_votes_are_counted(vault: Vault) -> None:
    fill(vault)
    vault.votes.add("chatgpt:c1", turn=0, tuned_first=False, outcome="tie")
    vault.votes.add("chatgpt:c1", turn=0, tuned_first=False, outcome="base")
    counts = vault.votes.counts()
    assert (counts.tuned, counts.tie, counts.base, counts.win_rate) == (1, 1, 1, 0.5)
    vault.forget("chatgpt:c1")
    assert vault.votes.counts().win_rate == 1.0
    with pytest.raises(UnknownError):
        vault.votes.add("none", turn=0, tuned_first=True, outcome="tie")
    with pytest.raises(VaultError):
        vault.votes.add("chatgpt:c0", turn=0, tuned_first=True, outcome="tie", pair=999)


def test_no_repr_and_no_log_holds_content(vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        fill(vault)
        vault.mark_private("chatgpt:c1")
        shown = repr(
            [
                vault, vault.conversations, vault.choices, vault.pairs, vault.personas, vault.consents, vault.votes,
                vault.imports, vault.pairs.every(), vault.choices.trainable(), vault.personas.load(),
                vault.conversations.every_facts(), vault.personas.load().read, vault.forget("chatgpt:c0"),
            ]
        )  # fmt: skip
    assert not [marker for marker in MARKERS.values() if marker in shown + caplog.text]


def test_others_read_while_one_writes(vault: Vault, tmp_path: Path) -> None:
    fill(vault)
    inside, done = threading.Event(), threading.Event()

    def write() -> None:
        with vault.imports.importing() as transaction:
            for number in range(100, 300):
                transaction.put(a_conversation(number, "x" * 2000), [])
            inside.set()
            done.wait(10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert inside.wait(10)
        with Vault.open(tmp_path / "vault", key_of(tmp_path / "vault")) as reader:
            assert len(reader.conversations) == 3
            assert len(list(reader.conversations)) == 3
    finally:
        done.set()
        writer.join()
    assert len(vault.conversations) == 203


def test_threads_share_a_vault(vault: Vault) -> None:
    def write(thread: int) -> None:
        for number in range(5):
            vault.conversations.put(a_conversation(100 * thread + number), source="imports")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vault.conversations) == 20
    assert vault.problems() == ()


def notices_damage(directory: Path) -> bool:
    try:
        with Vault.open(directory, key_of(directory)) as vault:
            return bool(vault.problems())
    except VaultLockedError as error:
        return str(error) == str(VaultLockedError())


def test_a_damaged_database_is_noticed_and_says_one_thing(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        fill(vault, conversations=20)
    file = directory / DATABASE_FILE
    whole = file.read_bytes()
    for part in range(20):
        place = part * len(whole) // 20
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert notices_damage(directory)
    file.write_bytes(whole[: len(whole) // 2])
    assert notices_damage(directory)
    file.write_bytes(whole)
    with Vault.open(directory, key_of(directory)) as vault:
        assert vault.problems() == ()


def test_one_that_wants_it_alone_waits_for_nobody(tmp_path: Path, vault: Vault) -> None:
    directory = tmp_path / "vault"
    with pytest.raises(VaultBusyError):
        open_database(directory / DATABASE_FILE, data_key(directory), alone=True)
    with pytest.raises(VaultLockedError):
        open_database(directory / "none.db", bytes(32))
    assert not (directory / "none.db").exists()


def test_readings_and_edits_that_are_kept_at_once_both_stay(vault: Vault) -> None:
    vault.conversations.put(a_conversation(1), source="chats")
    book = vault.personas.load()
    read = Observation(text="Likes short answers.", evidence=Evidence(conversation_id="chatgpt:c1", turn=0, date=None))
    entry = Reading(digest="d", observed=Observed(observations=(read,)))
    reading = replace(book, reader="r", read={"chatgpt:c1": entry})
    edited = book.write("Prefers metric units.")

    vault.personas.save_edits(edited)
    vault.personas.save_readings(reading)
    assert [one.text for one in vault.personas.load().written] == ["Prefers metric units."]
    vault.personas.save_edits(edited.write("Is left-handed."))
    assert set(vault.personas.load().read) == {"chatgpt:c1"}
    assert [one.text for one in vault.personas.load().written] == ["Prefers metric units.", "Is left-handed."]


def test_an_edit_is_of_the_persona_as_it_is(vault: Vault) -> None:
    vault.personas.edit(lambda book: book.write("Prefers metric units."))

    def strike(book: PersonaBook) -> PersonaBook:
        assert vault._database._is_in_transaction()  # nobody writes in between
        return book.write("Is left-handed.")

    after = vault.personas.edit(strike)
    assert after == vault.personas.load()
    assert [one.text for one in after.written] == ["Prefers metric units.", "Is left-handed."]

    def fail(book: PersonaBook) -> PersonaBook:
        book.write("Is tall.")
        raise KeyError("given up")

    with pytest.raises(KeyError, match="given up"):
        vault.personas.edit(fail)
    assert vault.personas.load() == after
