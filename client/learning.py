"""Learning from the vault: the persona is read, pairs are made, and the personal change is trained. All on this device.

Only what its user agreed to is looked at (`client.vault.consents`), and nothing private. A request that was tried is
not tried again, and what a kill interrupts is gone on with: persona and pairs are kept every few.

The models here are twins of the one that answers (`LanguageModel.twin`): it never notices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from client.assistant.adapters import attach_current
from client.choice_pairs import choice_pairs
from client.followups.light import LightFollowUpClassifier
from client.pair_making import Models, PairMakingConfig, PairReport, UserHistory, make_pairs
from client.persona.book import PersonaBook
from client.personal_training import PersonalChange, PersonalTraining, train_personal
from client.profile import Profile
from client.rewards.mutual_information import PersonaMutualInformation
from client.update import training_config
from client.vault.errors import ExcludedError
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.conversation import Conversation
from shared.language_model import LanguageModel

LearningProgress = Callable[[str, float | None], None]
"""Told what is being done, and how much of it is done, from 0 to 1; None where that is not known."""

_AT_ONCE = 8
_NO_DATE = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class LearningLimits:
    """Of one run; the next goes on.

    Attributes:
        conversations: that are read for the persona, the newest first.
        pairs: of each kind (rewrites, rewards, choices) that are tried.
        candidates: replies sampled for a reward pair.
        max_new_tokens: of a reply; longer ones do not train.
    """

    conversations: int = 200
    pairs: int = 20
    candidates: int = 8
    max_new_tokens: int = 256


@dataclass(frozen=True, kw_only=True)
class LearningReport:
    """What a run did. Counts and reasons only.

    Attributes:
        conversations: that may be learned from; `unread` of them the persona has not been read from yet.
        statements: of the persona.
        made: origin → pairs that were made.
        rejected: reason → requests and choices without a pair.
        used: pairs that could be trained on.
        personal: the change that was trained; None where nothing was.
    """

    conversations: int
    unread: int
    statements: int
    made: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    used: int = 0
    personal: PersonalChange | None = None

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        change = self.personal
        return {
            "conversations": self.conversations,
            "unread": self.unread,
            "statements": self.statements,
            "made": dict(self.made),
            "rejected": dict(self.rejected),
            "used": self.used,
            "personal": None
            if change is None
            else {"trained": change.trained, "held_out": change.held_out, "weight": change.weight},
        }


class Learning:
    """Learns when asked to. One run at a time."""

    def __init__(
        self, profile: Profile, vault: Vault, base: LanguageModel, limits: LearningLimits | None = None
    ) -> None:
        """Args:
        base: has no adapter; it is not changed.
        """
        self._profile = profile
        self._vault = vault
        self._base = base
        self._limits = limits or LearningLimits()

    def run(self, *, train: bool = True, progress: LearningProgress = lambda _what, _done: None) -> LearningReport:
        """Reads the persona, makes pairs and trains.

        Args:
            train: whether the personal change is trained; persona and pairs are made all the same.

        Raises:
            VaultError, DeviceError, TrainingError, LanguageModelError: what was kept before stays.
        """
        history = tuple(self._vault.conversations.trainable())
        reader = self._base.twin()
        book, unread = self.read_persona(history, reader, progress)
        made, rejected = self._make_pairs(history, book, reader, progress)
        used, personal = self.train(progress) if train else (0, None)
        return LearningReport(
            conversations=len(history),
            unread=unread,
            statements=len(book.persona().statements),
            made=made,
            rejected=rejected,
            used=used,
            personal=personal,
        )

    def read_persona(
        self,
        history: tuple[Conversation, ...],
        reader: LanguageModel,
        progress: LearningProgress = lambda _what, _done: None,
    ) -> tuple[PersonaBook, int]:
        """(the book after reading what is new, how many conversations are left for the next run)."""
        book = self._vault.personas.load()
        unread = sorted(
            (one for one in history if one.conversation_id not in book.read),
            key=lambda one: one.started or _NO_DATE,
            reverse=True,
        )
        later = {one.conversation_id for one in unread[self._limits.conversations :]}
        now = [one for one in history if one.conversation_id not in later]
        todo = max(1, len(unread) - len(later))
        progress("reading your conversations", 0.0)
        updated = book.update(
            now,
            reader,
            progress=lambda done: progress("reading your conversations", min(1.0, done / todo)),
            keep=self._vault.personas.save_readings,
        )
        if updated != book:
            self._vault.personas.save_readings(updated)
        return self._vault.personas.load(), len(later)

    def _make_pairs(
        self, history: tuple[Conversation, ...], book: PersonaBook, reader: LanguageModel, progress: LearningProgress
    ) -> tuple[Counter[str], Counter[str]]:
        persona = persona_text(book, reader)
        config = PairMakingConfig(
            rewrites=_AT_ONCE,
            rewards=_AT_ONCE,
            candidates=self._limits.candidates,
            max_new_tokens=min(self._limits.max_new_tokens, reader.context_length // 2),
        )
        models = Models(
            own=reader,
            classifier=LightFollowUpClassifier.packaged(),
            rewriter=reader,
            reward=PersonaMutualInformation(reader),
        )
        made: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        left = Counter(rewrite=self._limits.pairs, reward=self._limits.pairs)
        # A few at a time, each kept before the next: a run that is killed loses those in the making.
        while any(left.values()):
            now = replace(config, rewrites=min(_AT_ONCE, left["rewrite"]), rewards=min(_AT_ONCE, left["reward"]))
            report = make_pairs(
                [UserHistory(conversations=history, persona=persona, tried=self._vault.attempts.every())],
                models,
                now,
                progress=lambda stage: progress(stage, None),
            )[0]
            self._keep_pairs(report, book, made, rejected)
            tried = Counter("rewrite" if place[2] else "reward" for place, _ in report.tried)
            left = Counter(
                {
                    kind: left[kind] - tried[kind] if tried[kind] == most else 0
                    for kind, most in (("rewrite", now.rewrites), ("reward", now.rewards))
                }
            )
        self._keep_choices(book, persona, config, made, rejected)
        return made, rejected

    def _keep_pairs(self, report: PairReport, book: PersonaBook, made: Counter[str], rejected: Counter[str]) -> None:
        pairs = {(one.conversation_id, one.turn): one.pair for one in report.accepted}
        for tried, reason in report.tried:
            try:
                with self._vault.together():
                    if reason is None:
                        pair = pairs[tried[:2]]
                        self._vault.pairs.add(pair, conversation_ids=[tried[0]], persona=book.persona().statements)
                    self._vault.attempts.add(tried, "made" if reason is None else reason.value)
            except ExcludedError:
                continue  # became private or was forgotten meanwhile
            if reason is None:
                made[pair.origin] += 1
            else:
                rejected[reason.value] += 1

    def _keep_choices(
        self,
        book: PersonaBook,
        persona: str | None,
        config: PairMakingConfig,
        made: Counter[str],
        rejected: Counter[str],
    ) -> None:
        known = {choice for kept in self._vault.pairs.every() for choice in kept.choices}
        choices = [kept for kept in self._vault.choices.trainable() if kept.number not in known]
        found, turned_away = choice_pairs(choices, config.filter, persona=persona, most=self._limits.pairs)
        rejected.update(reason.value for reason in turned_away)
        for one in found:
            try:
                self._vault.pairs.add(
                    one.made.pair,
                    conversation_ids=[one.made.conversation_id],
                    choices=[one.choice],
                    persona=book.persona().statements,
                )
            except ExcludedError:
                continue
            made["choice"] += 1

    def train(
        self, progress: LearningProgress = lambda _what, _done: None, *, how: PersonalTraining | None = None
    ) -> tuple[int, PersonalChange | None]:
        """Trains the personal change on the pairs that may be used: (how many there were, the change).

        None where they are too few to train on and to choose by: nothing has changed then.
        """
        progress("training on your pairs", None)
        device = VaultDevice(self._profile, self._vault)
        pairs = device.pairs()
        if not pairs:
            return 0, None
        current = attach_current(self._base.twin(), self._profile.settings.model, device)
        shared = current.shared
        start = None if current.personal is None else current.personal.vector
        if start is None and current.adapted.spec.config.federation.personal:
            start = device.personal_now().last(shared.run, shared.spec_digest)
        change = train_personal(
            current.adapted, shared.vector, pairs, training_config(shared.plan), how=how, start=start
        )
        if not change.losses:
            return len(pairs), None
        device.adapters_of_training().keep_personal(shared.spec_digest, change)
        return len(pairs), change


def persona_text(book: PersonaBook, model: LanguageModel) -> str | None:
    """The persona as the model reads it, within its budget of tokens; None where nothing is known."""

    def count(text: str) -> int:
        return len(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    return book.persona().to_text(count_tokens=count)
