"""The page's API: chats, conversations, votes, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import httpx
import pytest

from client.serve import api_chat
from client.vault.forgetting import CANNOT_BE_UNDONE
from shared.conversation import Conversation, Message
from tests.client.serve.api.asking import asking, chat, get, post, said, text_of
from tests.client.serve.browser import EVIL, Served, known, paired, served, slow_down, talked
from tests.client.vault.vaults import found_in
from tests.tiny import message


def test_a_reply_is_streamed_and_kept_as_it_was_sent(at: Served) -> None:
    events = chat(at, message="How does bread rise?")
    done = cast(dict[str, dict[str, str]], events[-1])["conversation"]
    again = chat(at, message="Shorter!", conversation=done["id"])

    kept = at.vault.conversations.get(done["id"])
    assert [one.role for one in kept.messages] == ["user", "assistant"] * 2
    assert [one.content for one in kept.messages[1::2]] == [text_of(events), text_of(again)]
    # Streamed: a reply has several pieces, though not every one of a model that writes what it likes.
    assert max(len(chat(at, message="Longer!")) for _ in range(4)) > 3
    assert at.vault.conversations.facts(done["id"]).source == "chats"
    assert done["title"] == "How does bread rise?"


def test_half_of_an_emoji_is_kept_as_text(at: Served) -> None:
    with asking(at) as client:
        answer = client.post("/api/persona/write", content=b'{"text": "Likes \\ud83d shorts."}')
    assert answer.status_code == 200
    assert [one.text for one in at.vault.personas.load().written] == ["Likes \N{REPLACEMENT CHARACTER} shorts."]


def test_a_private_chat_leaves_nothing(at: Served) -> None:
    before = [{"role": "user", "content": "zebra one"}, {"role": "assistant", "content": "zebra two"}]
    events = chat(at, message="zebra three", private=True, before=before)

    assert events[-1] == {"type": "done", "conversation": None}
    assert text_of(events)
    assert len(at.vault.conversations) == 0
    assert found_in(at.profile.home, ("zebra",)) == {}


def test_another_reply_takes_the_place_and_leaves_a_choice(at: Served) -> None:
    (name,) = talked(at.vault, conversations=1)
    old = at.vault.conversations.get(name)
    at.vault.choices.put(name, [])
    first = text_of(chat(at, "/api/again", conversation=name))
    second = text_of(chat(at, "/api/again", conversation=name))

    assert at.vault.conversations.get(name).messages == (*old.messages[:-1], message("assistant", second))
    choices = [one.choice for one in at.vault.choices.every()]
    assert [one.left for one in choices] == [(old.messages[-1],), (message("assistant", first),)]
    assert all(one.prompt == old.messages[:-1] and one.kind == "regenerated" for one in choices)
    assert at.vault.choices.trainable() == ()  # nobody was asked
    at.vault.consents.decide("chats", granted=True)
    assert len(at.vault.choices.trainable()) == 2


def test_a_conversation_that_went_on_elsewhere_is_not_written_over(at: Served) -> None:
    (name,) = talked(at.vault, conversations=1)
    went_on = (message("user", "And then?"), message("assistant", "Wait."))
    stream = at.assistant.stream

    def meanwhile(*args: object, **settings: object) -> object:
        at.vault.conversations.append(name, went_on)
        return stream(*args, **settings)  # type: ignore[arg-type]

    at.assistant.stream = meanwhile  # type: ignore[method-assign, assignment]
    events = chat(at, message="Shorter!", conversation=name)

    assert events[-1]["type"] == "error"
    assert "another window" in str(events[-1]["error"])
    assert at.vault.conversations.get(name).messages[-2:] == went_on


def test_a_conversation_that_was_forgotten_meanwhile_is_not_begun_anew(at: Served) -> None:
    (name,) = talked(at.vault, conversations=1)
    stream = at.assistant.stream

    def meanwhile(*args: object, **settings: object) -> object:
        at.vault.forget(name)
        return stream(*args, **settings)  # type: ignore[arg-type]

    at.assistant.stream = meanwhile  # type: ignore[method-assign, assignment]
    events = chat(at, message="Shorter!", conversation=name)

    assert events[-1]["type"] == "error"
    assert len(at.vault.conversations) == 0


def test_a_reader_who_leaves_stops_the_reply_and_nothing_is_kept(at: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 200)
    slow_down(monkeypatch)
    began = time.monotonic()
    with asking(at) as client, client.stream("POST", "/api/chat", json={"message": "Tell me everything."}) as answer:
        next(answer.iter_lines())
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 1)
    chat(at, message="Hello", private=True)  # its turn comes after the other's end

    assert len(at.vault.conversations) == 0
    assert time.monotonic() - began < 4  # of 6 seconds that all of it takes


@pytest.mark.parametrize(
    ("path", "fields", "status", "says"),
    [
        ("/api/chat", {}, 400, "message"),
        ("/api/chat", {"message": "  "}, 400, "message"),
        ("/api/chat", {"message": "a", "more": 1}, 400, "1 fields"),
        ("/api/chat", {"message": "a", "conversation": "chat:none"}, 404, "no such conversation"),
        ("/api/chat", {"message": "a", "private": True, "before": [{"role": "system", "content": "x"}]}, 400, "user's"),
        ("/api/chat", {"message": "a" * 100_001}, 413, "too long"),
        ("/api/again", {"conversation": "chat:none"}, 404, "no such conversation"),
        ("/api/ab", {"message": "a"}, 409, "nothing to compare yet"),
        ("/api/ab/vote", {"id": "x", "outcome": "3"}, 400, "1, 2 or tie"),
        ("/api/ab/vote", {"id": "x", "outcome": "1"}, 410, "hour"),
        ("/api/consents", {"source": "dreams", "granted": True}, 400, "chats, imports, votes"),
        ("/api/consents", {"source": "chats", "granted": "yes"}, 400, "true or false"),
        ("/api/learn", {}, 409, "Nothing may be learned from yet"),
        ("/api/persona/write", {"text": "x" * 201}, 400, "1 to 200 characters"),
        ("/api/persona/strike", {"number": 1, "text": "x"}, 409, "changed meanwhile"),
        ("/api/persona/unstrike", {"text": "x"}, 400, "not struck out"),
        ("/api/pair/drop", {"number": 7}, 404, "no pair 7"),
        ("/api/pair/drop", {"number": -1}, 400, "whole number"),
        ("/api/pair/drop", {"number": True}, 400, "whole number"),
        ("/api/conversation/forget", {"id": "chat:none"}, 404, "no such conversation"),
        ("/api/conversation/private", {"id": ""}, 400, "id"),
        ("/api/taking-part", {"state": "off"}, 400, "on, paused or left"),
        ("/api/forget-everything", {"word": "yes"}, 400, "type the word"),
    ],
)
def test_what_cannot_be_done_is_said_in_plain_words(
    idle: Served, path: str, fields: dict[str, object], status: int, says: str
) -> None:
    assert says in said(idle, status, path, **fields)


def test_a_body_that_is_no_object_is_refused(idle: Served) -> None:
    with asking(idle) as client:
        for body in ("{", "[]", "[" * 100_000, "\xff"):
            assert client.post("/api/chat", content=body).status_code == 400


def test_everything_of_the_api_needs_the_token_and_the_page_does_not(idle: Served) -> None:
    with httpx.Client(base_url=idle.url) as stranger:
        for path in ("/api/status", "/api/conversations", "/api/persona", "/api/pairs", "/api/ledger"):
            assert stranger.get(path).status_code == 401
        for path in ("/api/chat", "/api/forget-everything", "/api/learn"):
            assert stranger.post(path, json={}).status_code == 401
        for path, kind in (("/", "text/html"), ("/page/main.js", "javascript"), ("/page/icon.svg", "image/svg+xml")):
            answer = stranger.get(path)
            assert answer.status_code == 200
            assert kind in answer.headers["content-type"]
        assert stranger.get("/page/../page_api.py").status_code == 404
        assert stranger.get("/page/%2e%2e/page_api.py").status_code == 404


def test_conversations_are_listed_newest_first_in_pages(at: Served) -> None:
    names = talked(at.vault, conversations=7)
    first = get(at, "/api/conversations", count=4)
    rest = get(at, "/api/conversations", **{"from": cast(int, first["next"]), "count": 4})
    listed = [one["id"] for page in (first, rest) for one in cast(list[dict[str, str]], page["conversations"])]

    assert listed == names[::-1]
    assert (first["total"], rest["next"]) == (7, None)
    assert {one["source"] for one in cast(list[dict[str, str]], first["conversations"])} == {"chats", "imports"}


def test_texts_of_halves_of_emojis_and_of_markup_come_whole(at: Served) -> None:
    odd = f"half \ud83d {EVIL} \u202e"
    at.vault.conversations.put(
        Conversation(conversation_id="x/../?#:1", messages=(message("user", odd),)), source="chats"
    )

    found = get(at, "/api/conversation", id="x/../?#:1")
    assert found["said"] == [{"role": "user", "content": odd}]


def test_forgetting_says_what_went_which_backups_hold_it_and_what_cannot_be_undone(at: Served) -> None:
    names = talked(at.vault, conversations=2)
    known(at.vault, names[:1], "Likes short answers.")
    paired(at.vault, names[:1])
    at.vault.back_up(at.profile.home / "old.backup", "a passphrase")
    found = post(at, "/api/conversation/forget", id=names[0])

    assert found["messages"] == 4
    assert cast(dict[str, int], found["removed"])["pairs"] == 1
    assert cast(dict[str, int], found["removed"])["observations"] == 1
    assert found["backups"] == [str(at.profile.home / "old.backup")]
    assert found["cannot_be_undone"] == CANNOT_BE_UNDONE
    assert at.vault.conversations.forgotten(names[0])
    assert len(at.vault.pairs) == 0
    assert get(at, "/api/persona")["statements"] == []


def test_a_private_conversation_keeps_its_words_and_gives_nothing(at: Served) -> None:
    (name,) = talked(at.vault, conversations=1)
    paired(at.vault, [name])
    post(at, "/api/conversation/private", id=name)
    at.vault.consents.decide("chats", granted=True)

    assert len(at.vault.pairs) == 0
    assert list(at.vault.conversations.trainable()) == []
    assert len(cast(list[object], get(at, "/api/conversation", id=name)["said"])) == 4


def test_a_vote_in_a_private_conversation_counts_and_makes_no_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 12)
    with served(tmp_path / "home", tuned=True) as at:
        (name,) = talked(at.vault, conversations=1)
        at.vault.mark_private(name)
        for source in ("chats", "votes"):
            post(at, "/api/consents", source=source, granted=True)
        shown = post(at, "/api/ab", message="Shorter, please.", conversation=name)
        vote = post(at, "/api/ab/vote", id=shown["id"], outcome="2")

        assert (vote["pair"], vote["no_pair_because"]) == (
            None,
            "the conversation is private, so nothing is learned from it",
        )
        assert len(at.vault.pairs) == 0
        assert at.vault.votes.counts().win_rate in (0.0, 1.0)
        assert len(at.vault.conversations.get(name).messages) == 6
        assert "hour" in said(at, 410, "/api/ab/vote", id=shown["id"], outcome="2")
        assert len(at.vault.conversations.get(name).messages) == 6


def test_a_pair_of_a_vote_is_under_the_persona_that_both_replies_were_written_under(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 12)
    with served(tmp_path / "home", tuned=True) as at:
        (name,) = talked(at.vault, conversations=1)
        known(at.vault, [name], "Prefers short answers.")
        for source in ("chats", "votes"):
            post(at, "/api/consents", source=source, granted=True)
        prompts: list[str] = []
        fitted = at.assistant._plain.fit_prompt

        def fit(messages: Sequence[Message], **limits: int) -> tuple[list[int], int]:
            prompts.append(messages[0].content)
            if len(prompts) == 1:  # the persona changes while the first reply is written
                at.vault.personas.edit(lambda book: book.write("Keeps bees."))
            return fitted(messages, **limits)

        monkeypatch.setattr(at.assistant._plain, "fit_prompt", fit)
        shown = post(at, "/api/ab", message="How do I bake bread?")
        assert prompts[0] == prompts[1]
        at.vault.personas.edit(lambda book: book.write("Keeps goats."))
        vote = post(at, "/api/ab/vote", id=shown["id"], outcome="1")
        pair = at.vault.pairs.get(cast(int, vote["pair"])).pair
        assert pair.persona is not None
        assert pair.persona in prompts[0]
        assert "bees" not in pair.persona + prompts[0]

        shown = post(at, "/api/ab", message="How do I keep bread?")
        at.vault.mark_private(name)  # the persona that both were written under rests on it
        vote = post(at, "/api/ab/vote", id=shown["id"], outcome="1")
        assert vote["pair"] is None
        assert "rested on" in str(vote["no_pair_because"])
        assert len(at.vault.pairs.every()) == 1
