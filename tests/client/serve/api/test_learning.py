"""The page's API: learning in the background, and what is trained out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from client.device import DeviceError
from client.learning import Learning, LearningProgress, LearningReport
from client.serve.learning_job import LearningJob
from shared.language_model import LanguageModel
from tests.client.serve.api.asking import get, post
from tests.client.serve.browser import paired, served, talked


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
