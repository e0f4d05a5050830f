"""/metrics for Prometheus and /health for the supervisor, on loopback."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.overview import look_at


def build_metrics(directory: ServerDirectory) -> Starlette:
    """An application for loopback only."""

    async def metrics(_: Request) -> Response:
        try:
            overview = await run_in_threadpool(look_at, directory)
        except DeploymentError:
            return Response(status_code=500)
        return PlainTextResponse(overview.prometheus(), media_type="text/plain; version=0.0.4")

    async def health(_: Request) -> Response:
        return Response(status_code=200)

    return Starlette(routes=[Route("/metrics", metrics), Route("/health", health)])
