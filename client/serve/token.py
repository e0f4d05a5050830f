"""The token that a front end shows: made on first use, in a file that only its owner may read."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from client.device import create_once
from client.profile import ProfileError

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")


def serve_token(path: Path) -> str:
    """The token in a file, which is made with mode 0600 if it is missing.

    Raises:
        ProfileError: the file can be read by others, is another's, or holds no token.
        OSError: it cannot be read or made.
    """
    if not path.exists():
        create_once(path, f"{secrets.token_urlsafe(_TOKEN_BYTES)}\n".encode("ascii"))
    if os.name == "posix":
        facts = path.stat()
        if facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
            raise ProfileError(f"{path} is not yours alone: remove it, and the next start makes a new token")
    token = path.read_text(encoding="utf-8", errors="replace").strip()
    if not _TOKEN.fullmatch(token):
        raise ProfileError(f"{path} holds no token: remove it, and the next start makes a new one")
    return token
