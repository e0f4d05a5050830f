"""What the commands share: consoles, the server's directory, and errors that say what to do in one line."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.command_line import explained as shared_explained
from shared.flat_config import ConfigError

out, err = Console(), Console(stderr=True)

ServerOption = Annotated[
    Path, typer.Option("--server", envvar="TACIT_SERVER", help="The server's directory (`tacit-server init`).")
]


def said(text: str) -> None:
    """A line on standard error, as it is."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def explained(interrupted: str = "nothing was changed") -> AbstractContextManager[None]:
    """Ends a command with status 1 and one line for each kind of error that says what to do."""
    return shared_explained(_expected, err, interrupted=interrupted)


def _expected() -> tuple[type[Exception], ...]:
    from server.deployment.certificates import CertificateError
    from server.deployment.directory import DeploymentError
    from server.releases import ReleaseError
    from shared.code_list import CodeListError
    from shared.invite import InviteError
    from shared.secagg.enrolment import EnrolmentError
    from shared.signing_key import SigningKeyError

    return (
        CertificateError, CodeListError, ConfigError, DeploymentError, EnrolmentError, InviteError, OSError,
        ReleaseError, SigningKeyError,
    )  # fmt: skip
