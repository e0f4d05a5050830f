"""What the page asks of the device, over HTTP and without a browser: kept, refused, forgotten, and in plain words."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import cast

import httpx
import pytest

from client.device import DeviceError
from client.learning import Learning, LearningProgress, LearningReport
from client.serve import api_chat
from client.serve.learning_job import LearningJob
from client.vault.forgetting import CANNOT_BE_UNDONE
from shared.conversation import Conversation, Message
from shared.language_model import LanguageModel
from tests.client.serve.browser import EVIL, TOKEN, Served, answered, known, paired, served, slow_down, talked
from tests.client.vault.vaults import found_in
from tests.tiny import language_model, message


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """Random, so that it never ends a reply by itself."""
    return language_model("llama")


@pytest.fixture
def at(tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 12)
    with served(tmp_path / "home", model) as running:
        yield running


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, model: LanguageModel) -> Iterator[Served]:
    """Nothing is changed in this one."""
    with served(tmp_path_factory.mktemp("idle") / "home", model) as running:
        yield running


@contextmanager
def asking(at: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=at.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        yield client


def get(at: Served, path: str, **query: str | int) -> dict[str, object]:
    with asking(at) as client:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return cast(dict[str, object], answer.json())


def post(at: Served, path: str, status: int = 200, **fields: object) -> dict[str, object]:
    with asking(at) as client:
        answer = client.post(path, json=fields)
        assert answer.status_code == status, answer.text
        return cast(dict[str, object], answer.json())


def chat(at: Served, path: str = "/api/chat", **fields: object) -> list[dict[str, object]]:
    with asking(at) as client:
        answer = client.post(path, json=fields)
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
        return [json.loads(event.removeprefix("data: ")) for event in answer.text.split("\n\n") if event]


def text_of(events: list[dict[str, object]]) -> str:
    return "".join(str(event["text"]) for event in events if event["type"] == "delta")


def said(at: Served, status: int, path: str, **fields: object) -> str:
    return str(cast(dict[str, dict[str, object]], post(at, path, status, **fields))["error"]["message"])


def test_a_reply_is_streamed_and_kept_as_it_was_sent(at: Served) -> None:
    events = chat(at, message="How does bread rise?")
    done = cast(dict[str, dict[str, str]], events[-1])["conversation"]
    again = chat(at, message="Shorter!", conversation=done["id"])

    kept = at.vault.conversations.get(done["id"])
    assert [one.role for one in kept.messages] == ["user", "assistant"] * 2
    assert [one.content for one in kept.messages[1::2]] == [text_of(events), text_of(again)]
    assert len(events) > 3
    assert at.vault.conversations.facts(done["id"]).source == "chats"
    assert done["title"] == "How does bread rise?"


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


class ScriptedLearning:
    """Learns as it is told to."""

    def __init__(self, *, run: Callable[[LearningProgress], LearningReport]) -> None:
        self._run = run
        self.trained = 0

    def run(self, *, train: bool = True, progress: LearningProgress) -> LearningReport:
        return self._run(progress)

    def train(self, progress: LearningProgress) -> tuple[int, None]:
        self.trained += 1
        return 0, None


def job_of(learning: ScriptedLearning, *, done: Callable[[], None] = lambda: None) -> tuple[LearningJob, list[str]]:
    forgotten: list[str] = []
    return LearningJob(cast(Learning, learning), forget_personal=lambda: forgotten.append("gone"), done=done), forgotten


def test_learning_is_one_run_at_a_time_and_says_how_far_it_is() -> None:
    reached, go_on = Event(), Event()

    def run(progress: LearningProgress) -> LearningReport:
        progress("reading your conversations", 0.25)
        reached.set()
        assert go_on.wait(20)
        return LearningReport(conversations=3, unread=0, statements=2)

    job, _ = job_of(ScriptedLearning(run=run))
    assert job.start()
    assert reached.wait(20)
    assert not job.start()
    assert (job.state()["stage"], job.state()["fraction"]) == ("reading your conversations", 0.25)
    go_on.set()
    assert job.wait(20)
    assert job.state()["running"] is None
    assert cast(dict[str, int], job.state()["report"])["statements"] == 2


@pytest.mark.parametrize(
    ("error", "says"),
    [(DeviceError("the disk is full"), "the disk is full"), (RuntimeError("zebra"), "Learning failed (RuntimeError)")],
)
def test_a_run_that_fails_says_why_without_content(error: Exception, says: str) -> None:
    def run(_progress: LearningProgress) -> LearningReport:
        raise error

    job, _ = job_of(ScriptedLearning(run=run))
    job.start()
    assert job.wait(20)
    assert says in str(job.state()["error"])
    assert "zebra" not in str(job.state())


def test_what_is_forgotten_while_learning_is_trained_out_afterwards() -> None:
    reached, go_on = Event(), Event()

    def run(_progress: LearningProgress) -> LearningReport:
        reached.set()
        assert go_on.wait(20)
        return LearningReport(conversations=0, unread=0, statements=0)

    learning = ScriptedLearning(run=run)
    job, forgotten = job_of(learning)
    job.start()
    assert reached.wait(20)
    job.retrain()
    job.retrain()
    assert (learning.trained, forgotten) == (0, [])
    go_on.set()
    assert job.wait(20)
    assert (learning.trained, forgotten) == (1, ["gone"])


def test_the_persona_may_be_changed_under_a_run_that_reads_it(tmp_path: Path, model: LanguageModel) -> None:
    reached, go_on = Event(), Event()

    def run(progress: LearningProgress) -> LearningReport:
        progress("reading your conversations", 0.5)
        reached.set()
        assert go_on.wait(20)
        return LearningReport(conversations=1, unread=0, statements=0, rejected={"a reply was cut off": 2})

    learning = cast(Learning, ScriptedLearning(run=run))
    with served(tmp_path / "home", model, learning=learning) as at:
        post(at, "/api/consents", source="chats", granted=True)
        post(at, "/api/learn")
        assert reached.wait(20)
        assert cast(dict[str, object], get(at, "/api/status")["learning"])["fraction"] == 0.5
        post(at, "/api/persona/write", text="Prefers metric units.")
        go_on.set()
        while (state := get(at, "/api/learn"))["running"]:
            time.sleep(0.02)
        assert cast(dict[str, object], state["report"])["rejected"] == {"a reply was cut off": 2}


@pytest.mark.parametrize("what", ["forgotten", "private", "dropped"])
def test_what_was_learned_from_is_trained_out(tmp_path: Path, model: LanguageModel, what: str) -> None:
    with served(tmp_path / "home", model, tuned=True) as at:
        (name,) = talked(at.vault, conversations=1)
        (number,) = paired(at.vault, [name])
        at.vault.pairs.mark_used([number])
        assert at.assistant.state().is_tuned
        if what == "dropped":
            found = post(at, "/api/pair/drop", number=number)
        else:
            found = post(at, f"/api/conversation/{'forget' if what == 'forgotten' else 'private'}", id=name)
        assert found["retraining"] is True
        while get(at, "/api/learn")["running"]:
            time.sleep(0.02)
        assert get(at, "/api/learn")["error"] is None
        # There is no other pair to train on, so nothing that was learned answers any more.
        assert not at.assistant.state().is_tuned
        assert cast(dict[str, object], get(at, "/api/status")["assistant"])["personal"] == "Nothing yet"
