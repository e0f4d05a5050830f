"""From a user's conversations to pairs that may train, on the device: the paper's two ways, and a reason for what is
turned away (arXiv:2509.25137, section 3).

Rewrites: every message of the user's after a reply is classified; where it asks for the reply to be redone, the
device's own model answers the request anew, its answer is rewritten as the user asked, and rewrite > answer. Where the
rewrite leaves the answer as it was, the feedback no longer applies to what the model says today.

Rewards: for requests that opened a conversation and drew no such feedback, N candidates are sampled and ranked under
the persona, and best > worst.

Nothing that a model or an imported text says is ever acted upon: it becomes a label, a pair's text, or a rejection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from client.candidates import Request, best_and_worst, sample_candidates
from client.filtering import FilterConfig, MadePair, Reason, reason_to_reject, reject_near_duplicates
from client.followups import FollowUpClassifier, FollowUpLabel
from client.history_places import Labelled, Place, Tried, classify_histories, find_places
from client.prompts import with_persona
from client.rewards import Reward
from client.rewards.mutual_information import heeding
from client.rewrites import Dissatisfaction, RewriteMode, rewrite
from shared.conversation import Conversation, Message, Origin, PreferencePair
from shared.generation import CompletionScorer, GeneratedReply, ReplyGenerator


class OwnModel(ReplyGenerator, CompletionScorer, Protocol):
    """The device's own model: it writes, and its log-probabilities can be asked for."""

    def holds(self, reply: str) -> bool:
        """Whether a reply leaves the model room for a prompt."""
        ...


@dataclass(frozen=True, kw_only=True)
class PairMakingConfig:
    """Attributes:
    rewrites, rewards: cases of each kind that are tried for a user, at most; drawn by the seed. 0 leaves a kind out.
    rewrite_mode: with the user's feedback, or from scratch (ablation).
    minimum_confidence: of a label "re-attempt with feedback"; below it the follow-up is taken for none.
    candidates: N, of a reward pair.
    candidate_temperature: of their sampling.
    candidates_see_persona: whether the model reads the persona while it samples them.
    reward_knows_persona: False is the user-agnostic ablation.
    max_new_tokens: of replies, rewrites and candidates; what is cut off does not train.
    filter: quality.
    batch_size: sequences generated together; changes speed and memory, and with sampling the replies drawn.
    """

    rewrites: int = 10
    rewards: int = 10
    rewrite_mode: RewriteMode = "feedback"
    minimum_confidence: float = 0.5
    candidates: int = 8
    candidate_temperature: float = 1.0
    candidates_see_persona: bool = False
    reward_knows_persona: bool = True
    max_new_tokens: int = 256
    filter: FilterConfig = field(default_factory=FilterConfig)
    batch_size: int = 64

    def __post_init__(self) -> None:
        if min(self.rewrites, self.rewards) < 0 or self.candidates < 2 or self.max_new_tokens < 1:
            raise ValueError(
                "rewrites and rewards must not be negative, candidates at least 2, max_new_tokens at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class Models:
    """What makes pairs.

    Attributes:
        own: the device's model, whose replies are judged, and under which a rewrite is measured.
        classifier: labels follow-ups.
        rewriter: `own`, or a model behind a local server.
        reward: ranks candidates.
    """

    own: OwnModel
    classifier: FollowUpClassifier
    rewriter: ReplyGenerator
    reward: Reward


@dataclass(frozen=True, kw_only=True, repr=False)
class UserHistory:
    """What one user's pairs are made from.

    Attributes:
        tried: requests that are passed over, by conversation, turn and how much feedback there was.
    """

    conversations: tuple[Conversation, ...]
    persona: str | None
    tried: frozenset[Tried] = frozenset()

    def __repr__(self) -> str:
        return f"UserHistory({len(self.conversations)} conversations)"


@dataclass(frozen=True, kw_only=True, repr=False)
class PairReport:
    """What became of one user's history. Counts and places only, but for the pairs themselves.

    Attributes:
        accepted: pairs that may train, rewrites first.
        rejected: (pair or case, reason); the pair is kept so that its user can be shown it.
        labels: kind of follow-up → how many; "unsure" where the classifier did not say or was not confident.
        followups: each message after a reply: (conversation id, turn, label).
        tried: each request that was tried, and why there is no pair; None where there is one.
    """

    accepted: tuple[MadePair, ...]
    rejected: tuple[tuple[MadePair | None, Origin, Reason], ...]
    labels: Counter[str]
    followups: tuple[tuple[str, int, FollowUpLabel], ...]
    tried: tuple[tuple[Tried, Reason | None], ...] = ()

    def __repr__(self) -> str:
        return f"PairReport({len(self.accepted)} accepted, {len(self.rejected)} rejected)"

    @property
    def pairs(self) -> tuple[PreferencePair, ...]:
        """What may train."""
        return tuple(made.pair for made in self.accepted)

    def reasons(self) -> Counter[tuple[Origin, Reason]]:
        """(origin, reason) → how many were turned away."""
        return Counter((origin, reason) for _, origin, reason in self.rejected)


def make_pairs(
    histories: Sequence[UserHistory],
    models: Models,
    config: PairMakingConfig,
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> list[PairReport]:
    """The pairs of each user, in the order given. On a device there is one; simulations batch many.

    Args:
        progress: told the name of each stage when it begins.
    """
    progress("classifying follow-ups")
    conversations = [history.conversations for history in histories]
    labelled = classify_histories(conversations, models.classifier)
    dissatisfied, requests = find_places(
        conversations,
        labelled,
        rewrites=config.rewrites,
        rewards=config.rewards,
        minimum_confidence=config.minimum_confidence,
        seed=seed,
        tried=[history.tried for history in histories],
    )
    progress("rewriting")
    rewrites = _make_rewrites(dissatisfied, histories, models, config, seed)
    progress("sampling and ranking candidates")
    rewards = _make_rewards(requests, histories, models, config, seed)
    progress("filtering")
    outcomes: list[list[tuple[Place, _Outcome]]] = [[] for _ in histories]
    for place, outcome in zip((*dissatisfied, *requests), (*rewrites, *rewards), strict=True):
        outcomes[place.user].append((place, outcome))
    return [_report(of_user, labels, config) for of_user, labels in zip(outcomes, labelled, strict=True)]


_Outcome = tuple[MadePair | None, Origin, Reason | None]


def _make_rewrites(
    places: Sequence[Place],
    histories: Sequence[UserHistory],
    models: Models,
    config: PairMakingConfig,
    seed: int,
) -> list[_Outcome]:
    if not places:
        return []
    personas = [histories[place.user].persona for place in places]
    own = models.own.generate_replies(
        [with_persona(place.prompt, persona) for place, persona in zip(places, personas, strict=True)],
        max_new_tokens=config.max_new_tokens,
        batch_size=config.batch_size,
    )
    cases = [
        Dissatisfaction(prompt=place.prompt, original=replies[0].text, feedbacks=place.feedbacks, persona=persona)
        for place, persona, replies in zip(places, personas, own, strict=True)
    ]
    redone = rewrite(
        cases,
        models.rewriter,
        mode=config.rewrite_mode,
        max_new_tokens=config.max_new_tokens,
        seed=seed,
        batch_size=config.batch_size,
    )
    made = [
        _rewrite_pair(place, case, replies[0], reply, models.own, config)
        for place, case, replies, reply in zip(places, cases, own, redone, strict=True)
    ]
    if config.rewrite_mode == "from-scratch" or not config.filter.enabled:
        return made
    return _measure_heeding(made, models.own)


def _rewrite_pair(
    place: Place,
    case: Dissatisfaction,
    original: GeneratedReply,
    reply: GeneratedReply,
    model: OwnModel,
    config: PairMakingConfig,
) -> _Outcome:
    if not case.original.strip() or not reply.text.strip():
        return None, "rewrite", Reason.EMPTY
    if reply.text == case.original:
        was_asked = config.rewrite_mode == "feedback"
        return None, "rewrite", Reason.NO_LONGER_APPLIES if was_asked else Reason.NOT_DIFFERENT
    if not model.holds(reply.text):  # another model wrote it, and counts its tokens otherwise
        return None, "rewrite", Reason.TOO_LONG
    made = MadePair(
        pair=_pair(place.prompt, case.persona, reply.text, case.original, "rewrite"),
        conversation_id=place.conversation.conversation_id,
        turn=place.turn,
        finished=original.finished and reply.finished,
        feedback=case.feedback,
    )
    return made, "rewrite", None


def _measure_heeding(outcomes: list[_Outcome], model: CompletionScorer) -> list[_Outcome]:
    asked = [place for place, (made, _, _) in enumerate(outcomes) if made is not None]
    pairs = [made for made, _, _ in outcomes if made is not None]
    prompts = [made.pair.prompt for made in pairs]
    feedbacks = [made.feedback or "" for made in pairs]
    after = heeding(model, prompts, feedbacks, [made.pair.chosen[0].content for made in pairs])
    before = heeding(model, prompts, feedbacks, [made.pair.rejected[0].content for made in pairs])
    measured = list(outcomes)
    for place, made, gain in zip(
        asked, pairs, (one - other for one, other in zip(after, before, strict=True)), strict=True
    ):
        measured[place] = (replace(made, heeding=gain), "rewrite", None)
    return measured


def _make_rewards(
    places: Sequence[Place],
    histories: Sequence[UserHistory],
    models: Models,
    config: PairMakingConfig,
    seed: int,
) -> list[_Outcome]:
    requests = [Request(prompt=place.prompt, persona=histories[place.user].persona) for place in places]
    candidates = sample_candidates(
        requests,
        models.own,
        count=config.candidates,
        shows_persona=config.candidates_see_persona,
        max_new_tokens=config.max_new_tokens,
        temperature=config.candidate_temperature,
        seed=seed,
        batch_size=config.batch_size,
    )
    found = best_and_worst(requests, candidates, models.reward, knows_persona=config.reward_knows_persona)
    outcomes: list[_Outcome] = []
    for place, request, ranked in zip(places, requests, found, strict=True):
        if ranked is None:
            outcomes.append((None, "reward", Reason.NOT_DIFFERENT))
            continue
        made = MadePair(
            pair=_pair(request.prompt, request.persona, ranked.best, ranked.worst, "reward"),
            conversation_id=place.conversation.conversation_id,
            turn=place.turn,
            margin=ranked.margin,
        )
        outcomes.append((made, "reward", None))
    return outcomes


def _pair(
    prompt: tuple[Message, ...], persona: str | None, chosen: str, rejected: str, origin: Origin
) -> PreferencePair:
    return PreferencePair(
        prompt=prompt,
        chosen=(Message(role="assistant", content=chosen),),
        rejected=(Message(role="assistant", content=rejected),),
        persona=persona,
        origin=origin,
    )


def _report(
    outcomes: Sequence[tuple[Place, _Outcome]], labelled: Sequence[Labelled], config: PairMakingConfig
) -> PairReport:
    accepted: list[MadePair] = []
    rejected: list[tuple[MadePair | None, Origin, Reason]] = []
    tried: list[tuple[Tried, Reason | None]] = []
    kept = [made for _, (made, _, _) in outcomes if made is not None and reason_to_reject(made, config.filter) is None]
    copies = iter(reject_near_duplicates(kept, config.filter))
    for place, (made, origin, known) in outcomes:
        reason = (known or Reason.EMPTY) if made is None else reason_to_reject(made, config.filter) or next(copies)
        tried.append((place.tried, reason))
        if made is not None and reason is None:
            accepted.append(made)
        else:
            rejected.append((made, origin, reason or Reason.EMPTY))
    labels: Counter[str] = Counter(
        label.kind.value if label.kind is not None and label.confidence >= config.minimum_confidence else "unsure"
        for _, _, label in labelled
    )
    return PairReport(
        accepted=tuple(accepted),
        rejected=tuple(rejected),
        labels=labels,
        followups=tuple((conversation.conversation_id, turn, label) for conversation, turn, label in labelled),
        tried=tuple(tried),
    )
