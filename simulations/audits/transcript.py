"""Audit (f): what the server sees. A small federation of the run's plan, every message of it recorded and searched.

Three kinds of device take part, and the server must not tell them apart by what it is sent: some hold nothing, some
one pair, and some many. All hold a marker that must not leave, in persona, request and reply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from shared.conversation import Message, PreferencePair
from shared.language_model import LanguageModel
from shared.round_plan import FederationPlan
from simulations.audits.audited_run import AuditedRun
from simulations.audits.inversion_victims import area_under_curve
from simulations.audits.registry import AuditSettings, Progress
from simulations.audits.result import AuditResult, Figure
from simulations.audits.transcript_masks import LEVEL, clear_updates, read_masks, read_sum
from simulations.audits.transcript_recording import Transcript
from simulations.audits.transcript_reveals import VISIBLE, allowed
from simulations.audits.transcript_search import encodings_of, found_in
from simulations.engines.inline import run_inline
from simulations.population.protocol import Population

MARKER = "zanzibarquokka"
COHORT = 12
_ROUNDS = 2
_MANY = 4
_KINDS = ("nothing", "one pair", "many pairs")
_NAME = "transcript"
_STAGES = ("train", "share", "mask", "confirm", "reveal")


@dataclass(frozen=True, kw_only=True, repr=False)
class MarkedPopulation:
    """Devices with nothing, one pair and many, in turn, each pair marked. Implements
    `simulations.population.protocol.Population`."""

    population: Population
    devices: int

    @property
    def name(self) -> str:
        return self.population.name

    def __len__(self) -> int:
        return self.devices

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The marked pairs of device `index`."""
        wanted = (0, 1, _MANY)[index % len(_KINDS)]
        found: list[PreferencePair] = []
        place = index
        while len(found) < wanted:
            found += [marked(pair) for pair in self.population.pairs(place % len(self.population))]
            place += 1
        return tuple(found[:wanted])


def marked(pair: PreferencePair) -> PreferencePair:
    """The pair with the marker in persona, request and chosen reply."""
    *before, last = pair.prompt
    first, *after = pair.chosen
    return replace(
        pair,
        persona=f"{pair.persona or ''} Is called {MARKER}.".strip(),
        prompt=(*before, Message(role=last.role, content=f"{last.content} I am {MARKER}.")),
        chosen=(Message(role=first.role, content=f"{MARKER}, {first.content}"), *after),
    )


def small_plan(plan: FederationPlan) -> FederationPlan:
    """The plan with few devices, each asked once a cohort, and the same noise and masks."""
    cohort = COHORT
    user = plan.user_privacy
    if user is not None and user.cohort_limit is not None:
        user = replace(user, cohort_limit=None)
    return replace(
        plan,
        rounds=_ROUNDS,
        cohort_size=cohort,
        devices=_ROUNDS * cohort,
        sampling="random" if plan.sampling == "random" else "schedule",
        user_privacy=user,
        minimum_replies=1,
        attempts=1,
    )


def record(plan: FederationPlan, population: Population) -> Transcript:
    """Runs a plan, and keeps every message."""
    transcript = Transcript()
    with TemporaryDirectory(prefix="tacit-transcript-") as kept:
        run_inline(plan, population, directory=Path(kept), processes=0, tamper=transcript.record)
    return transcript


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """One result."""
    plan = small_plan(run.plan)
    population = MarkedPopulation(population=run.population, devices=plan.devices)
    progress(0.05, "recording a federation")
    transcript = record(plan, population)
    progress(0.6, "reading it")
    figures: dict[str, Figure] = {
        "federation": f"{plan.rounds} rounds of {plan.cohort_size} of {plan.devices} devices",
        "messages": len(transcript.messages),
        "bytes": sum(one.packet.size for one in transcript.messages),
    }
    broken = [*read_fields(transcript, plan, figures), *read_sizes(transcript, plan, figures)]
    broken += read_markers(transcript, run.adapted.language_model, figures)
    figures["visible_all_the_same"] = list(VISIBLE)
    figures["seconds_to_reply"] = _timing(transcript)
    if plan.secure_aggregation is not None:
        clear = clear_updates(transcript, run, plan, population)
        progress(0.8, "looking through masks")
        broken += read_masks(transcript, clear, figures, seed=settings.seed)
        read_sum(transcript, run, plan, population, clear, figures)
    figures["broken"] = list(broken)
    promises = plan.is_private
    run.adapted.load(run.adapted.beginning())
    return (
        AuditResult(
            name=_NAME, unit=None, claim=None, delta=None, lower_bound=None, estimate=None, confidence=1 - LEVEL,
            canaries=sum(len(population.pairs(index)) > 0 for index in range(plan.devices)),
            verdict="violated" if broken else "holds" if promises else "measured",
            figures=figures,
            observer="the server, honest but curious, with every byte that devices send and all that it was told",
            method="every message between both recorded as Flower serialises it; fields against the list of what may "
            "be sent; sizes by how much data a device holds; markers in 20 and more encodings; masked vectors by "
            "chi-square and Kolmogorov-Smirnov, and against each device's own update; the same tests on vectors "
            "without masks are the control",
            limits="No network: addresses, TLS and real timing are not seen. A server that deviates from the protocol "
            "is the business of the protocol's own tests. That masks look uniform is what AES must give and no proof.",
        ),
    )  # fmt: skip


def read_fields(transcript: Transcript, plan: FederationPlan, figures: dict[str, Figure]) -> list[str]:
    """Each field that devices sent, and what it reveals; those that may not be sent are returned."""
    may = allowed(secure=plan.secure_aggregation is not None, private=plan.is_private)
    found: dict[str, dict[str, Figure]] = {}
    values: dict[str, set[str]] = {}
    broken = []
    for one in transcript.messages:
        if one.direction == "down":
            continue
        for part in one.fields():
            name = f"{one.stage}: {part.name}" if part.name == "stage-reply.body" else part.name
            if name not in may and name not in found:
                broken.append(f"the field {name} is sent, and may not be")
            row = found.setdefault(name, {"type": part.kind, "reveals": may.get(name, "UNKNOWN"), "bytes": []})
            sizes = row["bytes"]
            if isinstance(sizes, list) and part.size not in sizes:
                sizes.append(part.size)
            if part.name.endswith(".status"):
                record_name, key = part.name.split(".")
                values.setdefault(part.name, set()).add(str(one.content[record_name][key]))
    for name, said in values.items():
        found[name]["values"] = [*sorted(said)]
        if plan.is_private and len(said) > 1:
            broken.append(f"{name} differs between devices")
    figures["fields_sent_up"] = {name: found[name] for name in sorted(found)}
    return broken


def read_sizes(transcript: Transcript, plan: FederationPlan, figures: dict[str, Figure]) -> list[str]:
    """Sizes by stage and by how much a device holds: they may not differ."""
    broken = []
    table: dict[str, Figure] = {}
    for stage in _STAGES:
        by_kind: dict[str, list[int]] = {}
        for one in transcript.messages:
            if one.direction == "up" and one.stage == stage:
                size = sum(part.size for part in one.fields())
                by_kind.setdefault(_KINDS[one.device % len(_KINDS)], []).append(size)
        if not by_kind:
            continue
        shown: dict[str, Figure] = {kind: [*sorted(set(sizes))] for kind, sizes in by_kind.items()}
        table[stage] = shown
        if plan.is_private and len({tuple(sorted(set(sizes))) for sizes in by_kind.values()}) > 1:
            broken.append(f"sizes at stage {stage} depend on what a device holds")
    figures["content_bytes_by_what_a_device_holds"] = table
    return broken


def read_markers(transcript: Transcript, model: LanguageModel, figures: dict[str, Figure]) -> list[str]:
    """Where the marker was found, either way, in whatever encoding."""
    ids = model.tokenizer.encode(f" {MARKER}", add_special_tokens=False)
    encodings = encodings_of(MARKER, ids)
    hits = sorted({
        f"{one.direction}, {one.stage}: {name}" for one in transcript.messages for name in found_in(one.wire, encodings)
    })  # fmt: skip
    planted = b"".join(b"\0" + wanted + b"\0" for wanted in encodings.values())
    figures["markers"] = {
        "encodings_searched": len(encodings),
        "found": [*hits],
        "control_found": len(found_in(planted, encodings)),
    }
    return [f"a marker was found ({hit})" for hit in hits]


def _timing(transcript: Transcript) -> dict[str, Figure]:
    """What the time to a reply tells of how much a device holds. The first reply also loads the model."""
    replies = [one for one in transcript.messages if one.direction == "up" and one.stage == "train"][1:]
    by_kind = {kind: [one.seconds for one in replies if _KINDS[one.device % 3] == kind] for kind in _KINDS}
    figures: dict[str, Figure] = {kind: float(np.median(seconds)) for kind, seconds in by_kind.items() if seconds}
    some = np.array([*by_kind["nothing"], *by_kind["many pairs"]])
    has = np.array([False] * len(by_kind["nothing"]) + [True] * len(by_kind["many pairs"]))
    if has.any() and not has.all():
        figures["auc_of_nothing_against_many"] = area_under_curve(some, has)
    figures["covered_by_any_promise"] = False
    return figures
