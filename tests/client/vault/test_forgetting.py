"""Private and forgotten conversations: nothing that came from them is left, in rows or in bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from client.persona.axes import Axis, read_taste
from client.persona.statements import Statement
from client.vault.errors import ExcludedError, UnknownError, VaultLockedError
from client.vault.personas import STRUCK_AXIS
from client.vault.vault import Vault
from tests.client.vault.vaults import (
    MARKERS,
    a_book,
    a_branch,
    a_conversation,
    a_pair,
    evidence,
    fill,
    found_in,
    in_plain,
    key_of,
    new_vault,
)


def test_a_private_conversation_is_kept_and_learned_nothing_from(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as vault:
        fill(vault)
        vault.pairs.mark_used([2])
        excluded = vault.mark_private("chatgpt:c1")
        assert (excluded.pairs, excluded.used_pairs, excluded.observations) == (1, 1, 2)
        assert (excluded.statements, excluded.persona_parts) == (1, 2)

        assert vault.conversations.get("chatgpt:c1") == a_conversation(1)
        assert [one.conversation_id for one in vault.conversations.trainable()] == ["chatgpt:c0", "chatgpt:c2"]
        assert [one.conversation_ids for one in vault.pairs.every()] == [("chatgpt:c0",), ("chatgpt:c2",)]
        assert [one.conversation_id for one in vault.choices.trainable()] == ["chatgpt:c0", "chatgpt:c2"]
        assert [one.text for one in vault.personas.load().written] == [MARKERS["written"]]
        assert f"{MARKERS['persona']} 1" not in str(vault.pairs.every()[0].pair.persona)
        assert f"{MARKERS['persona']} 2" in str(vault.pairs.every()[0].pair.persona)

        vault.conversations.put(a_conversation(1, "grown", turns=6), source="imports")
        assert vault.conversations.facts("chatgpt:c1").private
        with pytest.raises(ExcludedError):
            vault.pairs.add(a_pair(), conversation_ids=["chatgpt:c0", "chatgpt:c1"])
        vault.personas.save(a_book(0, 1, 2))
        assert "chatgpt:c1" not in vault.personas.load().read
        with pytest.raises(UnknownError):
            vault.mark_private("none")


def test_forgetting_takes_everything_that_came_from_it(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        fill(vault)
        choice = vault.choices.trainable()[1].number
        vault.pairs.add(a_pair("of a choice"), conversation_ids=["chatgpt:c0"], choices=[choice])
        vault.votes.add("chatgpt:c1", turn=0, tuned_first=True, outcome="base")
        report = vault.forget("chatgpt:c1")
        assert (report.messages, report.choices, report.votes, report.derived.pairs) == (2, 1, 1, 2)
        assert report.overwritten
        assert "cannot be taken back" in report.cannot_be_undone
        assert report.backups == ()
        with pytest.raises(UnknownError):
            vault.forget("chatgpt:c1")
        assert len(vault.conversations) == 2
        with vault.imports.importing() as transaction:
            assert transaction.put(a_conversation(1), [a_branch()]) == "unchanged"
        with pytest.raises(ExcludedError):
            vault.conversations.put(a_conversation(1), source="imports")
        assert len(vault.conversations) == 2
        assert vault.problems() == ()
        for gone in (
            f"{MARKERS['conversation']} 1",
            f"{MARKERS['choice']} 1",
            f"{MARKERS['pair']} 1",
            f"{MARKERS['persona']} 1",
        ):
            assert in_plain(directory, gone) == 0, gone
        for kept in (f"{MARKERS['conversation']} 2", f"{MARKERS['pair']} 2", f"{MARKERS['persona']} 2"):
            assert in_plain(directory, kept) > 0, kept


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
def test_no_byte_is_left_in_any_page(tmp_path: Path, seed: int) -> None:
    """Rows of all sizes, so that pages are split, merged and moved before and after."""
    rng = random.Random(seed)
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        numbers = list(range(60))
        with vault.imports.importing() as transaction:
            for number in numbers:
                text = f"<gone-{number}>" * rng.choice([1, 5, 60, 400, 3000])
                transaction.put(
                    a_conversation(number, text, turns=rng.randint(2, 9)), [a_branch(f"<gone-{number}>" * 40)]
                )
        for number in numbers:
            text = f"<gone-{number}>" * rng.choice([1, 100, 1000])
            vault.pairs.add(a_pair(text), conversation_ids=[f"chatgpt:c{number}"])
        for number in numbers[::3]:  # replaced content is content too
            vault.conversations.put(a_conversation(number, f"<gone-{number}>" * 77, turns=3), source="imports")
        rng.shuffle(numbers)
        for number in numbers[:40]:
            assert vault.forget(f"chatgpt:c{number}").overwritten
        for number in numbers[:40]:
            assert in_plain(directory, f"<gone-{number}>") == 0
        assert in_plain(directory, f"<gone-{numbers[-1]}>") > 0
        assert vault.problems() == ()


def test_another_reader_delays_the_overwriting_only(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault, Vault.open(directory, key_of(directory)) as other:
        fill(vault)
        pages = iter(other.conversations)
        next(pages)
        with other._database.snapshot():
            len(other.conversations)
            vault._database.execute("PRAGMA busy_timeout = 100")
            assert not vault.forget("chatgpt:c1").overwritten
        assert len(vault.conversations) == 2
    Vault.open(directory, key_of(directory)).close()
    assert in_plain(directory, f"{MARKERS['conversation']} 1") == 0


def test_what_was_struck_out_stays_so_without_its_words(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as vault:
        for number in range(3):
            vault.conversations.put(a_conversation(number), source="imports")
        taste, opinion = "Wants short answers, says the secret one.", "Collects zebras, says the secret one."
        vault.personas.save(a_book(1, struck=(taste, opinion)))
        vault.personas.save(a_book(1, 2, struck=(taste, opinion)))
        vault.forget("chatgpt:c1")
        assert set(vault.personas.load().struck) == {taste, opinion}  # 2 has these words too
        vault.forget("chatgpt:c2")
        (struck,) = vault.personas.load().struck
        assert struck == STRUCK_AXIS[Axis.INFORMATIVENESS]
        inferred = Statement(text="Likes long answers.", evidence=(evidence(0),))
        assert inferred.taste is not None
        assert inferred.taste.axis is Axis.INFORMATIVENESS


@pytest.mark.parametrize("axis", list(Axis))
def test_the_words_that_stand_for_an_axis_are_about_it(axis: Axis) -> None:
    taste = read_taste(STRUCK_AXIS[axis])
    assert taste is not None
    assert taste.axis is axis


@pytest.mark.usefixtures("quick")
def test_backups_that_may_hold_it_are_named(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as vault:
        vault.conversations.put(a_conversation(0), source="imports")
        vault.back_up(tmp_path / "first", "pass")
        vault.conversations.put(a_conversation(1), source="imports")
        vault.back_up(tmp_path / "second", "pass")
        vault.forget("chatgpt:c0")
        vault.conversations.put(a_conversation(2), source="imports")
        assert vault.forget("chatgpt:c2").backups == ()
        assert vault.forget("chatgpt:c1").backups == (str(tmp_path / "second"),)


def test_destroying_leaves_nothing_and_needs_no_key(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    vault = new_vault(directory)
    fill(vault)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "vault.db").write_bytes((directory / "vault.db").read_bytes())
    vault.destroy(key_of(directory))
    assert list(directory.iterdir()) == []
    assert not (tmp_path / "vault.key").exists()
    assert found_in(tmp_path) == {}
    with pytest.raises(VaultLockedError):
        Vault.open(copy, key_of(directory))
    new_vault(directory).destroy()
    assert (tmp_path / "vault.key").exists()
