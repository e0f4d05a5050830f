"""How each stage of the pipeline did, against the embedded world's truth, for users in seen and in held-out phrases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from client.filtering import MadePair, Reason
from client.followups import FollowUpKind
from client.pair_making import PairReport
from simulations.population.embedded.parser import read_reply
from simulations.rlhi.personas import SimulatedUser, persona_accuracy

GROUPS = ("all", "seen phrases", "held-out phrases")


def score_stages(users: Sequence[SimulatedUser], reports: Sequence[PairReport]) -> dict[str, object]:
    """Group of users → stage → figures; shares in [0, 1], null where there is nothing to share out."""
    found: dict[str, object] = {}
    for group in GROUPS:
        chosen = [
            (user, report)
            for user, report in zip(users, reports, strict=True)
            if group == "all" or user.user.held_out_phrases == (group == "held-out phrases")
        ]
        found[group] = {
            "personas": persona_accuracy([user for user, _ in chosen]).to_json(),
            "follow_ups": _follow_ups(chosen),
            "rewrites": _pairs(chosen, "rewrite"),
            "rewards": _pairs(chosen, "reward"),
            "no_longer_applies": _applies(chosen),
            "rejected": _reasons(chosen),
            "pairs_per_user": _mean([len(report.accepted) for _, report in chosen]),
        }
    return found


def is_improvement(made: MadePair, user: SimulatedUser) -> int:
    """1 where the chosen reply fits its user's true style better than the rejected one, -1 worse, 0 alike."""
    question = made.pair.prompt[-1].content
    chosen, rejected = (read_reply(side[0].content, question) for side in (made.pair.chosen, made.pair.rejected))
    gain = chosen.fit(user.user.style) - rejected.fit(user.user.style)
    return (gain > 0) - (gain < 0)


def _follow_ups(chosen: Sequence[tuple[SimulatedUser, PairReport]]) -> dict[str, object]:
    confusion: Counter[tuple[str, str]] = Counter()
    for user, report in chosen:
        truth = {entry.conversation.conversation_id: entry.truth.kind for entry in user.log}
        for conversation_id, turn, label in report.followups:
            if turn == 2:  # the world's conversations hold one follow-up
                confusion[truth[conversation_id].value, label.kind.value if label.kind else "none"] += 1
    scores = {kind.value: _f1(confusion, kind.value) for kind in FollowUpKind}
    total = sum(confusion.values())
    right = sum(count for (true, said), count in confusion.items() if true == said)
    majority = max(
        (sum(n for (true, _), n in confusion.items() if true == kind.value) for kind in FollowUpKind), default=0
    )
    return {
        "count": total,
        "accuracy": _share(right, total),
        "majority_accuracy": _share(majority, total),
        "macro_f1": _mean([score["f1"] for score in scores.values()]),
        "by_kind": scores,
    }


def _f1(confusion: Counter[tuple[str, str]], kind: str) -> dict[str, float]:
    hit = confusion[kind, kind]
    said = sum(count for (_, one), count in confusion.items() if one == kind)
    true = sum(count for (one, _), count in confusion.items() if one == kind)
    precision, recall = hit / max(1, said), hit / max(1, true)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(1e-12, precision + recall)}


def _pairs(chosen: Sequence[tuple[SimulatedUser, PairReport]], origin: str) -> dict[str, object]:
    """The filter's work: pairs that are right (the chosen reply truly fits better) among those kept and turned away."""
    kept = [is_improvement(made, user) for user, report in chosen for made in report.accepted if made.origin == origin]
    away = [
        is_improvement(made, user)
        for user, report in chosen
        for made, of, _ in report.rejected
        if made is not None and of == origin
    ]
    success = [
        _heeds(made, user)
        for user, report in chosen
        for made in (*report.accepted, *(one for one, _, _ in report.rejected if one is not None))
        if origin == "rewrite" and made.origin == origin
    ]
    good = sum(one > 0 for one in (*kept, *away))
    return {
        "kept": len(kept),
        "turned_away": len(away),
        "kept_right": _share(sum(one > 0 for one in kept), len(kept)),
        "kept_wrong_way": _share(sum(one < 0 for one in kept), len(kept)),
        "right_before_filter": _share(good, len(kept) + len(away)),
        "filter_recall": _share(sum(one > 0 for one in kept), good),
        "does_as_asked": _share(sum(success), len(success)),
    }


def _heeds(made: MadePair, user: SimulatedUser) -> bool:
    """Whether a rewrite makes sense and has every axis as the user asked."""
    truth = next(entry.truth for entry in user.log if entry.conversation.conversation_id == made.conversation_id)
    reading = read_reply(made.pair.chosen[0].content, truth.question)
    return reading.coherent and all(reading.poles[axis] == pole for axis, pole in truth.asked.items())


def _applies(chosen: Sequence[tuple[SimulatedUser, PairReport]]) -> dict[str, object]:
    """How often feedback on the logged reply does not apply to the model's own: the drop rate, and what is true of the
    pairs that were not dropped."""
    dropped = kept = moot = 0
    for user, report in chosen:
        dropped += report.reasons()["rewrite", Reason.NO_LONGER_APPLIES]
        made = [*report.accepted, *(one for one, _, _ in report.rejected if one is not None)]
        truths = {entry.conversation.conversation_id: entry.truth for entry in user.log}
        for one in made:
            if one.origin == "rewrite":
                kept += 1
                asked = truths[one.conversation_id].asked
                reading = read_reply(one.pair.rejected[0].content, truths[one.conversation_id].question)
                moot += bool(asked) and all(reading.poles[axis] == pole for axis, pole in asked.items())
    return {"drop_rate": _share(dropped, dropped + kept), "kept_though_moot": _share(moot, kept)}


def _reasons(chosen: Sequence[tuple[SimulatedUser, PairReport]]) -> dict[str, int]:
    total: Counter[tuple[str, Reason]] = Counter()
    for _, report in chosen:
        total.update(report.reasons())
    return {f"{origin}: {reason.value}": count for (origin, reason), count in sorted(total.items())}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
