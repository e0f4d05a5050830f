"""The page's API: persona, pairs, the ledger, the switch, and forgetting everything."""

from __future__ import annotations

import logging
from typing import cast

import pytest

from client.vault.forgetting import CANNOT_BE_UNDONE
from tests.client.serve.api.asking import get, post, said
from tests.client.serve.browser import Served, answered, known, paired, talked
from tests.tiny import message


def test_statements_are_written_locked_struck_out_and_allowed_again(at: Served) -> None:
    names = talked(at.vault, conversations=2)
    known(at.vault, names, "Likes short answers.", "Bakes bread at weekends.")

    def texts() -> list[str]:
        return [str(one["text"]) for one in cast(list[dict[str, object]], get(at, "/api/persona")["statements"])]

    post(at, "/api/persona/write", text="Prefers metric units.")
    place = texts().index("Bakes bread at weekends.") + 1
    post(at, "/api/persona/lock", number=place, text="Bakes bread at weekends.")
    # The lock has moved it: the text says which is meant, wherever it stands now.
    post(at, "/api/persona/strike", number=place, text="Likes short answers.")
    assert sorted(texts()) == ["Bakes bread at weekends.", "Prefers metric units."]
    assert get(at, "/api/persona")["struck"] == ["Likes short answers."]

    post(at, "/api/persona/unstrike", text="Likes short answers.")
    post(at, "/api/persona/unlock", number=2, text="Bakes bread at weekends.")
    post(at, "/api/persona/unlock", number=1, text="Prefers metric units.")
    assert sorted(texts()) == ["Bakes bread at weekends.", "Likes short answers."]
    assert not any(one.locked for one in at.vault.personas.load().persona().statements)


def test_evidence_is_quoted(at: Served) -> None:
    names = talked(at.vault, conversations=1)
    known(at.vault, names, "Likes short answers.")
    (statement,) = cast(list[dict[str, list[dict[str, object]]]], get(at, "/api/persona")["statements"])
    (evidence,) = statement["evidence"]
    quote = get(at, "/api/quote", id=str(evidence["conversation"]), turn=cast(int, evidence["turn"]))

    assert quote["content"] == "Please keep it short and plain, I am new to this."
    assert evidence["date"] == "2026-03-01T12:00:00+00:00"


def test_a_pair_is_corrected_and_dropped(at: Served) -> None:
    names = talked(at.vault, conversations=1)
    (number,) = paired(at.vault, names, worse="No.")
    assert get(at, "/api/pair", number=number)["usable"] is False  # nobody was asked
    at.vault.consents.decide("chats", granted=True)

    assert "differ" in said(at, 400, "/api/pair/correct", number=number, better=["No."])
    assert "not be empty" in said(at, 400, "/api/pair/correct", number=number, better=[" "])
    assert "list of 1" in said(at, 400, "/api/pair/correct", number=number, better=["a", "b"])
    corrected = post(at, "/api/pair/correct", number=number, better=["Twelve hours."])
    assert (corrected["state"], corrected["usable"]) == ("corrected", True)
    assert at.vault.pairs.get(number).pair.chosen == (message("assistant", "Twelve hours."),)

    assert post(at, "/api/pair/drop", number=number)["retraining"] is False
    assert at.vault.pairs.trainable() == ()
    assert get(at, "/api/pairs")["counts"] == {"waiting": 0, "used": 0, "dropped": 1, "corrected": 0}


def test_the_ledger_is_shown_in_the_servers_own_words(at: Served) -> None:
    empty = get(at, "/api/ledger")
    assert (empty["answers"], empty["points"], empty["has_policy"]) == (0, [], False)
    answered(at.profile, rounds=6)
    found = get(at, "/api/ledger")

    points = cast(list[dict[str, dict[str, object]]], found["points"])
    shown = [float(str(point["user"]["text"])) for point in points]
    assert shown == sorted(shown)
    assert len(shown) == 6
    assert [point["user"]["value"] for point in points] == shown
    assert cast(dict[str, object], found["total"]) == {"user": points[-1]["user"], "pair": None}
    assert cast(dict[str, dict[str, str]], found["limits"])["user"]["text"] == "8.00"
    assert [bool(point["sent"]) for point in points] == [True] * 4 + [False, True]
    (refusal,) = cast(list[dict[str, str]], found["refusals"])
    assert "noise multiplier" in refusal["reason"]


def test_a_long_ledger_is_thinned_and_keeps_its_end(at: Served) -> None:
    answered(at.profile, rounds=43)
    points = cast(list[dict[str, object]], get(at, "/api/ledger")["points"])

    assert len(points) == 22
    assert points[-1]["answer"] == 43


def test_a_ledger_that_was_set_back_is_told(at: Served) -> None:
    answered(at.profile, rounds=2)
    (at.profile.ledger_directory / "ledger.jsonl").unlink()

    assert "gone" in str(get(at, "/api/ledger")["ledger_error"])


def test_the_switch_is_the_vaults(at: Served) -> None:
    at.profile.server_file.write_text("of a server")
    for state in ("paused", "on", "left"):
        assert post(at, "/api/taking-part", state=state) == {"taking_part": state}
        assert at.vault.taking_part.state() == state
    assert not at.profile.server_file.exists()
    for state in ("on", "paused"):  # who has left comes back by joining
        post(at, "/api/taking-part", status=409 if state == "on" else 200, state=state)
        assert at.vault.taking_part.state() == "left"


def test_forgetting_everything_destroys_the_key_and_stops_the_server(at: Served) -> None:
    talked(at.vault)
    found = post(at, "/api/forget-everything", word=" Forget ")
    at.thread.join(20)

    assert at.has_stopped
    assert found["cannot_be_undone"] == CANNOT_BE_UNDONE
    assert not (at.profile.home / "vault.key").exists()
    assert not any(at.profile.vault_directory.glob("*"))


def test_no_error_and_no_log_holds_what_was_said(at: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def breaks(*_args: object, **_settings: object) -> object:
        raise RuntimeError("zebra in a message")

    at.assistant.stream = breaks  # type: ignore[method-assign, assignment]
    answer = said(at, 500, "/api/chat", message="zebra")

    assert "RuntimeError" in answer
    assert "zebra" not in answer + caplog.text
