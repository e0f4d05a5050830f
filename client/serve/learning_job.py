"""Learning in the background of the server: one run at a time, with what it is doing and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock, Thread
from typing import Literal

from client.device import DeviceError
from client.learning import Learning
from client.training import TrainingError
from client.vault.errors import VaultError
from shared.language_model import LanguageModelError

_LOG = logging.getLogger(__name__)
# Their messages hold no content.
_TOLD = (DeviceError, LanguageModelError, TrainingError, VaultError)

Work = Literal["learn", "retrain"]


class LearningJob:
    """Attributes are of the last run that was begun; every method may be called from any thread."""

    def __init__(self, learning: Learning, *, forget_personal: Callable[[], object], done: Callable[[], None]) -> None:
        """Args:
        forget_personal: destroys what was trained here.
        done: called after every run, however it ended.
        """
        self._learning = learning
        self._forget_personal, self._done = forget_personal, done
        self._lock = Lock()
        self._running: Work | None = None
        self._must_retrain = False
        self._stage, self._fraction = "", None  # type: tuple[str, float | None]
        self._report: dict[str, object] | None = None
        self._error: str | None = None
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"LearningJob(running={self._running!r})"

    @property
    def is_running(self) -> bool:
        return self._running is not None

    def start(self) -> bool:
        """Learns from all that may be learned from; False where a run is going on already."""
        with self._lock:
            if self._running is not None:
                return False
            self._begin("learn")
        return True

    def retrain(self) -> None:
        """Trains what is trained here anew, without what was forgotten.

        A run that is going on may have learned from what is gone: then it is done after it.
        """
        with self._lock:
            if self._running is not None:
                self._must_retrain = True
            else:
                self._begin("retrain")

    def state(self) -> dict[str, object]:
        """As JSON has it: no content."""
        with self._lock:
            return {
                "running": self._running,
                "stage": self._stage if self._running else "",
                "fraction": self._fraction if self._running else None,
                "report": self._report,
                "error": self._error,
            }

    def wait(self, seconds: float) -> bool:
        """Whether no run is going on after at most so long."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return not self.is_running

    def _begin(self, work: Work) -> None:
        self._running, self._stage, self._fraction, self._error = work, "beginning", None, None
        # A daemon: whoever stops the server does not wait for it, and what it has kept is gone on with.
        self._thread = Thread(target=self._work, args=(work,), name="learning", daemon=True)
        self._thread.start()

    def _work(self, work: Work) -> None:
        while True:
            error = self._attempt(work)
            with self._lock:
                if not self._must_retrain:
                    self._running, self._error = None, error
                    break
                self._must_retrain = False
                self._running = work = "retrain"
        self._done()

    def _attempt(self, work: Work) -> str | None:
        """What went wrong, in words for its user."""
        try:
            if work == "learn":
                report = self._learning.run(progress=self._progress).to_dict()
                with self._lock:
                    self._report = report
            else:
                self._train_anew()
        except _TOLD as error:
            return str(error)
        except Exception as error:  # noqa: BLE001, RUF100 - a thread has nobody else to tell
            # Only its type: its message may quote what was learned from.
            _LOG.error("learning failed (%s)", type(error).__name__)
            return f"Learning failed ({type(error).__name__}). What was learned before is kept."
        return None

    def _train_anew(self) -> None:
        self._forget_personal()
        self._done()  # nothing answers with what is to be forgotten
        self._learning.train(self._progress)

    def _progress(self, stage: str, fraction: float | None) -> None:
        with self._lock:
            self._stage, self._fraction = stage, fraction
