"""The card of a release: a README that says what it is, what it promises, what was measured, and what it is not.

Every ε in it comes from an accountant, through `shared.privacy.guarantee`. Figures that are not covered by a guarantee
(how many answered, who failed) are left out; what was not measured or audited is said not to have been.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.adapter_spec import AdapterSpec
from shared.plan_guarantees import PlanGuarantees
from shared.privacy.guarantee import Guarantee, format_delta, format_epsilon
from shared.release import ReleaseManifest
from shared.round_plan import FederationPlan, PrivacyUnit

_NO_PRIVACY = "no privacy: the adapter, and each update before it, can tell something about its devices' pairs"
_SUMS_ONLY = (
    "no differential privacy: the server learned sums of a cohort's updates and no single one; without noise a sum, "
    "and so the adapter, can still tell something about each device's pairs"
)
_UNITS: Mapping[PrivacyUnit, str] = {
    "none": "none is protected",
    "pair": "one preference pair",
    "user": "one user (all of a device's data)",
    "both": "one user, and one preference pair, by two separate guarantees",
}
_PAIR_ONLY = "Protects single pairs: what many pairs of one user have in common is not hidden by the figure for a pair."


@dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseFacts:
    """Attributes:
    plan, spec: of the run.
    round_number: that the release ended.
    rounds_done: of the run so far, whose releases and requests the guarantees cover.
    devices: that began the run.
    given: the guarantees of the run so far.
    planned: of the whole run, if it went on to its end; None of a finished one.
    manifest: None where the release is not signed.
    is_simulated: whether no people's devices took part.
    summary: `summary.json` of the run, if it is there and about this release.
    merged: whether the base model is in it.
    """

    plan: FederationPlan
    spec: AdapterSpec
    round_number: int
    rounds_done: int
    devices: int
    given: PlanGuarantees
    planned: PlanGuarantees | None
    manifest: ReleaseManifest | None
    is_simulated: bool
    summary: Mapping[str, object] | None
    merged: bool


def model_card(facts: ReleaseFacts) -> str:
    """The README, with the metadata that hubs read."""
    parts = (_metadata, _heading, _what, _privacy, _audit, _utility, _limits, _use)
    return "\n".join(line for part in parts for line in (*part(facts), ""))


def _metadata(facts: ReleaseFacts) -> Iterator[str]:
    tags = ["tacit", "federated-learning", "dpo", "personalization", "lora"]
    if _guarantees(facts.given):
        tags.append("differential-privacy")
    yield "---"
    yield f"base_model: {json.dumps(facts.spec.base_name)}"
    yield f"base_model_relation: {'finetune' if facts.merged else 'adapter'}"
    yield f"library_name: {'transformers' if facts.merged else 'peft'}"
    yield "pipeline_tag: text-generation"
    yield "license: other"
    yield "license_name: to-be-stated  # the releaser's choice, within what the base model's licence allows"
    yield f"tags: [{', '.join(tags)}]"
    yield "---"


def _heading(facts: ReleaseFacts) -> Iterator[str]:
    kind = "A merged model" if facts.merged else "A LoRA adapter"
    yield f"# {_plain(facts.spec.base_name)}, taught by a federation: release {facts.round_number}"
    yield ""
    if facts.is_simulated:
        yield f"{kind}, learned by persona-conditioned preference optimisation in a simulated federation."
        return
    yield (
        f"{kind}, learned by persona-conditioned preference optimisation on people's own devices. Their conversations "
        "stayed there; clipped updates were aggregated."
    )


def _what(facts: ReleaseFacts) -> Iterator[str]:
    plan, method = facts.plan, facts.plan.adapter.federation
    targets = plan.adapter.target_modules
    secure = "secure: the server sees sums only" if plan.secure_aggregation else "plain: the server sees each update"
    if plan.sampling == "poisson":
        cohort = f"{plan.cohort_size:,} devices a round on average (each by chance, in secret)"
    else:
        cohort = f"up to {plan.cohort_size:,} devices a round ({plan.sampling})"
    rows = {
        "base model": f"{_plain(facts.spec.base_name)}, fingerprint `{facts.spec.base_fingerprint}`",
        "method": f"{method.title} (arXiv:{method.paper}): {method.idea}",
        "rank, alpha": f"{plan.adapter.rank}, {plan.adapter.alpha:g}",
        "target modules": targets if isinstance(targets, str) else ", ".join(targets),
        "numbers released": f"{facts.spec.state_dimension:,}; {facts.spec.dimension:,} leave a device a round",
        "data unit": _UNITS[plan.privacy_unit],
        "rounds": f"{facts.round_number} of {plan.rounds} planned",
        "cohort": cohort,
        "devices": f"{facts.devices:,} began the run",
        "aggregation": secure,
        "a newcomer gets": method.newcomer,
        "run's plan": f"`{plan.digest()}`",
    }
    yield "## What it is"
    yield ""
    if facts.manifest is None:
        rows["release"] = "not signed: this server has no key, so nobody can tell that it made this"
    else:
        made = datetime.fromtimestamp(facts.manifest.made, UTC)
        rows["run"] = f"`{facts.manifest.run}`"
        rows["release"] = f"manifest `{facts.manifest.digest()}`, made on {made:%Y-%m-%d} (`manifest.json`)"
        rows["signed by"] = (
            f"server `{facts.manifest.server}`, over the adapter as it was released (`adapter.safetensors` of the "
            "release); not over the files here, which were made of it"
        )
    yield from _table(("", ""), [(name, _cell(value)) for name, value in rows.items()])


def _privacy(facts: ReleaseFacts) -> Iterator[str]:
    yield "## Privacy"
    yield ""
    given = _guarantees(facts.given)
    if not given:
        said = _NO_PRIVACY if facts.plan.secure_aggregation is None else _SUMS_ONLY
        yield f"{said[:1].upper()}{said[1:]}."
        return
    yield f"The figures cover all {facts.rounds_done} releases of the run so far, and every request to its devices."
    yield ""
    names = ("unit", "ε, against everyone", "ε, against who sees releases only", "δ", "relation", "accountant")
    yield from _table(
        names,
        [
            (
                one.unit,
                format_epsilon(one.epsilon_server) + (" (the server is trusted)" if one.server_is_trusted else ""),
                f"{format_epsilon(one.epsilon_model_observer)} ({_cell(one.amplification)})",
                format_delta(one.delta),
                one.neighbouring,
                _cell(one.accountant),
            )
            for one in given
        ],
    )
    for one in given:
        yield ""
        yield one.sentence()
    if facts.planned is not None:
        for one in _guarantees(facts.planned):
            yield ""
            yield f"If the run goes on to its end as planned: {one.sentence()}"


def _audit(facts: ReleaseFacts) -> Iterator[str]:
    yield "## Audit"
    yield ""
    summary = facts.summary or {}
    found = next((_part(summary, key) for key in ("audits", "audit") if _part(summary, key)), {})
    if not found:
        yield "Not audited: no attack was run against this release to see whether the figures above hold."
    for name, value in _leaves(found):
        yield f"- {name}: {value}"
    attack = _part(summary, "attack")
    if attack:
        yield ""
        yield "**This run was attacked on purpose, to see what it withstands: it is for study, not for use.**"
        yield ""
        for name, value in _leaves(attack):
            yield f"- {name}: {value}"


def _utility(facts: ReleaseFacts) -> Iterator[str]:
    yield "## Utility"
    yield ""
    summary = facts.summary or {}
    utility = {name: value for name, value in _part(summary, "utility").items() if isinstance(value, Mapping)}
    if not utility:
        yield f"Not measured: {_plain(summary.get('not_measured') or 'no evaluation of this release was found')}."
        return
    rows = [
        (_cell(name), _number(one.get("base")), _number(one.get("tuned")), _interval(one.get("ci95")))
        for name, one in utility.items()
    ]
    yield from _table(("metric", "base", "tuned", "95 % interval"), rows)
    data = _part(summary, "data")
    yield ""
    if data.get("source") == "embedded":
        yield "Measured in a simulated world, by its own rules, on simulated users: it says nothing about people."
    else:
        yield f"Measured on: {_plain(data.get('source', 'unknown'))}."
        yield "These figures are exact, and no guarantee covers them."


def _limits(facts: ReleaseFacts) -> Iterator[str]:
    method = facts.plan.adapter.federation
    yield "## Limits"
    yield ""
    if facts.plan.privacy_unit == "pair":
        yield f"- {_PAIR_ONLY}"
    yield "- That somebody took part, and when, is not hidden."
    yield "- What many users have in common is learned, and is meant to be."
    yield "- The figures are about this run alone; what its devices told other runs is in their own ledgers."
    yield "- What the base model knew, or leaks, is as it was: nothing here covers its training data."
    yield "- It follows the preferences of those who took part; nobody checked them, or its replies, for safety."
    yield "- A signature says who made a release, not that it is good."
    if "b" in method.personal:
        yield (
            f"- With {method.title} each device keeps a part of its own. What is in here gives {method.newcomer}: it "
            "answers as the base model does."
        )
    elif "residual" in method.sent_down:
        yield f"- A newcomer gets {method.newcomer}."


def _use(facts: ReleaseFacts) -> Iterator[str]:
    name = _plain(facts.spec.base_name)
    yield "## Use"
    yield ""
    yield "```python"
    if facts.merged:
        yield "from transformers import AutoModelForCausalLM"
        yield ""
        yield 'model = AutoModelForCausalLM.from_pretrained("THIS-DIRECTORY")'
    else:
        yield "from peft import PeftModel"
        yield "from transformers import AutoModelForCausalLM"
        yield ""
        yield f'base = AutoModelForCausalLM.from_pretrained("{name}")'
        yield 'model = PeftModel.from_pretrained(base, "THIS-DIRECTORY")'
    yield "```"


def _guarantees(found: PlanGuarantees) -> tuple[Guarantee, ...]:
    return tuple(one for one in (found.user, found.pair) if one is not None)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _leaves(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """What nested values say, flat; the name of an ε decides how it is written."""
    for name, value in values.items():
        full = f"{prefix}{_plain(name)}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{full}, ")
        elif "epsilon" in name and isinstance(value, int | float):
            yield full, format_epsilon(float(value))
        elif isinstance(value, list | tuple):
            yield full, ", ".join(_number(one) if isinstance(one, int | float) else _plain(one) for one in value)
        else:
            yield full, _number(value) if isinstance(value, float) else _plain(value)


def _part(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _interval(value: object) -> str:
    return f"{_number(value[0])} to {_number(value[1])}" if isinstance(value, list) and len(value) == 2 else ""


def _plain(value: object) -> str:
    """A value on one line, without what Markdown would take for its own."""
    return " ".join(str(value).split()).replace("`", "'").replace("<", "&lt;")


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
