"""`/api/forget-everything`: the vault's key is destroyed, and the server stops."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import BaseRoute

from client.everything import destroy_profile
from client.serve.api_errors import ApiError
from client.serve.api_requests import Answer, changing, reading
from client.serve.page_services import PageServices
from client.vault.forgetting import CANNOT_BE_UNDONE

WORD = "forget"


def forgetting_routes(services: PageServices) -> list[BaseRoute]:
    """See the module."""
    return [
        reading("/api/forget-everything", services, _explain),
        changing("/api/forget-everything", services, _destroy, "word"),
    ]


def _explain(services: PageServices, _values: Mapping[str, object]) -> Answer:
    return {
        "word": WORD,
        "conversations": len(services.vault.conversations),
        "pairs": len(services.vault.pairs),
        "cannot_be_undone": CANNOT_BE_UNDONE,
    }


def _destroy(services: PageServices, values: Mapping[str, object]) -> Answer:
    word = values.get("word")
    if not isinstance(word, str) or word.strip().casefold() != WORD:
        raise ApiError(f"To forget everything, type the word “{WORD}”.")
    services.comparisons.forget()
    services.vault.close()
    try:
        kept = destroy_profile(services.profile)
    finally:
        services.stop()
    return {"kept": [path.name for path in kept], "cannot_be_undone": CANNOT_BE_UNDONE}
