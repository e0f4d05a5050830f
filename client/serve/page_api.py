"""The page of `tacit serve` and the API behind it: `/`, `/page/…` and `/api/…`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from client.assistant.assistant import Assistant
from client.learning import Learning
from client.profile import Profile
from client.serve.api_ab import ab_routes
from client.serve.api_chat import chat_routes
from client.serve.api_conversations import conversation_routes
from client.serve.api_forgetting import forgetting_routes
from client.serve.api_ledger import ledger_routes
from client.serve.api_pairs import pair_routes
from client.serve.api_persona import persona_routes
from client.serve.api_status import status_routes
from client.serve.learning_job import LearningJob
from client.serve.page_services import PageServices
from client.serve.running import ReplyRunner
from client.vault.vault import Vault
from client.vault_device import VaultDevice

PAGE = Path(__file__).parent / "page"


def routes(
    assistant: Assistant,
    vault: Vault,
    profile: Profile,
    learning: Learning,
    *,
    runner: ReplyRunner,
    stop: Callable[[], None],
) -> list[BaseRoute]:
    """The page's routes, for `build_app`.

    Args:
        learning: is run in the background when its user asks for it.
        runner: the application's own.
        stop: stops the server; called when everything was forgotten.
    """
    device = VaultDevice(profile, vault)
    services = PageServices(
        assistant=assistant,
        runner=runner,
        vault=vault,
        profile=profile,
        device=device,
        job=LearningJob(learning, forget_personal=device.forget_personal, done=assistant.refresh),
        stop=stop,
    )

    async def index(_request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    return [
        Route("/", index),
        *status_routes(services),
        *conversation_routes(services),
        *chat_routes(services),
        *ab_routes(services),
        *persona_routes(services),
        *pair_routes(services),
        *ledger_routes(services),
        *forgetting_routes(services),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
