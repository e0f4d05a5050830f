"""Errors in the shape that clients of OpenAI's API read."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse


class ApiError(ValueError):
    """A request that is not answered. The message names the field and the rule, and never quotes the request.

    Attributes:
        status: of the HTTP answer.
        param: the field that is wrong, if one is.
        code: for programs.
    """

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def error_body(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> dict[str, object]:
    """What an error's JSON holds."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer that says what is wrong."""
    body = error_body(message, kind=kind, param=param, code=code)
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))
