"""`/api/status`, `/api/consents`, `/api/learn`: how this device stands, what it may learn from, and learning now."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import BaseRoute

from client.serve.api_errors import ApiError
from client.serve.api_requests import Answer, changing, reading, switch_of
from client.serve.page_services import PageServices, learn_anew
from client.vault.consents import CONSENT_SOURCES


def status_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""
    return [
        reading("/api/status", services, _status),
        changing("/api/consents", services, _decide, "source", "granted"),
        reading("/api/learn", services, lambda of, _values: of.job.state()),
        changing("/api/learn", services, _learn),
    ]


def consents_of(services: PageServices) -> dict[str, bool | None]:
    """Source → what its user said; None where they were not asked."""
    return {source: services.vault.consents.granted(source) for source in CONSENT_SOURCES}


def _status(services: PageServices, _values: Mapping[str, object]) -> Answer:
    vault = services.vault
    facts = vault.conversations.every_facts()
    return {
        "model": services.profile.settings.model.name,
        "assistant": assistant_state(services),
        "learning": services.job.state(),
        "consents": consents_of(services),
        "taking_part": vault.taking_part.state(),
        "has_policy": services.profile.policy_file.exists(),
        "counts": {
            "chats": sum(one.source == "chats" for one in facts),
            "imports": sum(one.source == "imports" for one in facts),
            "private": sum(one.private for one in facts),
            "pairs": len(vault.pairs),
        },
    }


def _decide(services: PageServices, values: Mapping[str, object]) -> Answer:
    for source in CONSENT_SOURCES:
        if values.get("source") == source:
            if services.vault.consents.decide(source, granted=switch_of(values, "granted")):
                learn_anew(services)
            return {"consents": consents_of(services)}
    raise ApiError(f"“source” must be one of {', '.join(CONSENT_SOURCES)}.")


def _learn(services: PageServices, _values: Mapping[str, object]) -> Answer:
    if not any(consents_of(services).values()):
        raise ApiError("Nothing may be learned from yet. Say in Settings what Tacit may learn from.", status=409)
    services.job.start()
    return services.job.state()


def assistant_state(services: PageServices) -> Answer:
    """What answers now, in words."""
    state = services.assistant.state()
    weight = state.personal_weight
    if weight is None:
        personal = "Nothing yet"
    elif weight:
        personal = f"Yes: {weight:.0%} of what was trained is used"
    else:
        personal = "Tried, but it did no better, so it is not used"
    return {
        "is_tuned": state.is_tuned,
        "learned": " and ".join(["you"] * bool(weight) + ["others"] * state.is_shared),
        "shared": f"Yes: round {state.round_number} of run {state.run[:8]}" if state.is_shared else "Nothing yet",
        "personal": personal,
        "problem": state.problem,
    }
