"""`/api/ledger` and `/api/taking-part`: what this device has told servers, what that comes to, and the switch.

Every ε is worked out here, rounded up, and sent as the text that is shown; the numbers beside it only place points in a
chart, and are those of the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from client.membership import HasLeftError, leave, resume
from client.privacy_ledger import ANCHOR_FILE, LEDGER_FILE, Charge, LedgerError, PrivacyLedger
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.serve.api_errors import ApiError
from client.serve.api_requests import Answer, changing, reading
from client.serve.page_services import PageServices
from client.spending import spent
from shared.privacy.guarantee import format_delta, format_epsilon

if TYPE_CHECKING:
    from client.profile import Profile

_MOST_POINTS = 40
_UNITS = {"none": "nothing", "both": "you as a whole, and each pair", "user": "you as a whole", "pair": "each pair"}


def ledger_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""
    return [
        reading("/api/ledger", services, _ledger),
        changing("/api/taking-part", services, _decide, "state"),
    ]


def _decide(services: PageServices, values: Mapping[str, object]) -> Answer:
    vault, state = services.vault, values.get("state")
    if state == "on":
        try:
            resume(vault)
        except HasLeftError:
            raise ApiError("This device has left. “tacit join” comes back.", status=409) from None
    elif state == "paused":
        vault.taking_part.pause()
    elif state == "left":
        leave(services.profile, vault)
    else:
        raise ApiError("“state” must be on, paused or left.")
    return {"taking_part": vault.taking_part.state()}


def _ledger(services: PageServices, _values: Mapping[str, object]) -> Answer:
    profile = services.profile
    policy, policy_error = _policy(profile)
    ledger = PrivacyLedger(directory=profile.ledger_directory, anchor_directory=profile.state_directory)
    charges: Sequence[Charge] = ()
    error = None
    try:
        charges = ledger.charges() if _is_begun(profile) else ()
    except LedgerError as told:
        error = str(told)
    delta = PrivacyPolicy.delta if policy is None else policy.delta
    total = spent(charges, delta=delta)
    return {
        "taking_part": services.vault.taking_part.state(),
        "has_policy": policy is not None,
        "policy_error": policy_error,
        "ledger_error": error,
        "delta": format_delta(delta),
        "limits": {
            "user": _epsilon(policy.user.max_epsilon_in_total) if policy and policy.user else None,
            "pair": _epsilon(policy.pair.max_epsilon_in_total) if policy and policy.pair else None,
        },
        "total": _figures(charges, delta),
        "without": {"user": total.unprotected_users, "pair": total.unprotected_pairs},
        "unprotected": sum(charge.plan.privacy_unit == "none" for charge in charges),
        "answers": len(charges),
        "points": _points(charges, delta),
        "refusals": [
            {"run": run[:8], "round": number, "reason": reason} for run, number, reason in reversed(ledger.refusals())
        ],
    }


def _points(charges: Sequence[Charge], delta: float) -> list[Answer]:
    """After each answer what all up to it come to; of very many, some are left out, never the last."""
    step = max(1, -(-len(charges) // _MOST_POINTS))
    places = sorted({*range(step, len(charges) + 1, step), *([len(charges)] if charges else [])})
    points: list[Answer] = []
    for place in places:
        charge = charges[place - 1]
        points.append(
            {
                "answer": place,
                "run": charge.run[:8],
                "round": charge.round_number,
                "protects": _UNITS[charge.plan.privacy_unit],
                "sent": charge.reply is not None,
                **_figures(charges[:place], delta),
            }
        )
    return points


def _figures(charges: Sequence[Charge], delta: float) -> Answer:
    """Unit → ε; None where no answer protected the unit, so that nothing was counted for it."""
    total = spent(charges, delta=delta)
    return {
        "user": None if total.unprotected_users == len(charges) else _epsilon(total.user),
        "pair": None if total.unprotected_pairs == len(charges) else _epsilon(total.pair),
    }


def _epsilon(epsilon: float) -> Answer:
    """The text, and its number for a chart; None beside ∞."""
    text = format_epsilon(epsilon)
    return {"text": text, "value": None if text == "∞" else float(text)}


def _policy(profile: Profile) -> tuple[PrivacyPolicy | None, str | None]:
    if not profile.policy_file.exists():
        return None, None
    try:
        return PrivacyPolicy.load(profile.policy_file), None
    except PolicyError as error:
        return None, str(error)


def _is_begun(profile: Profile) -> bool:
    """A device that has keys and no ledger has lost it, and says so; one that has neither has told nobody anything."""
    traces = (
        profile.ledger_directory / LEDGER_FILE,
        profile.state_directory / ANCHOR_FILE,
        profile.state_directory / "noise.key",
    )
    return any(path.exists() for path in traces)
