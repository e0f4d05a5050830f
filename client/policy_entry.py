"""One server that the user's policy file names (`client.endpoint_policy` says what that file is)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from client.server_url import EndpointRefusedError, ServerUrl, parse_server_url

Purpose = Literal["rewrite", "judge"]

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
CONSENT_KEY = "i_understand_that_private_text_is_sent_there"

_REQUIRED = frozenset({"name", "url", "purpose"})
_OPTIONAL = frozenset({"ca_file", "api_key_variable", CONSENT_KEY})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class PolicyEntry:
    """One `[[endpoint]]` of the policy file; its keys, checked.

    Attributes:
        ca_file: PEM certificates that are trusted there, and no others; None for certifi's.
        api_key_variable: the environment variable that holds the key, or None.
        consents: whether the user has said that private text may be sent there; said of a server on this machine, that
            it may pass text on.

    Raises:
        EndpointRefusedError: another machine without consent, or over plain http.
    """

    name: str
    url: ServerUrl
    purposes: frozenset[Purpose]
    ca_file: Path | None = None
    api_key_variable: str | None = None
    consents: bool = False

    def __post_init__(self) -> None:
        if not self.url.is_local() and not self.consents:
            raise EndpointRefusedError(f"{CONSENT_KEY}: must be true for a server that is not on this machine")
        if not self.url.is_local() and self.url.scheme != "https":
            raise EndpointRefusedError("url: must be https for a server that is not on this machine")


def parse_policy_entry(path: Path, number: int, table: Mapping[str, object]) -> PolicyEntry:
    """Reads one `[[endpoint]]`.

    Args:
        path: of the policy file; a relative `ca_file` lies beside it.
        number: of the entry, from 1.
        table: its keys, as the TOML parser gives them.

    Raises:
        EndpointRefusedError: any of it is not understood or not allowed. Names file, entry and key.
    """
    where = f"{path}, endpoint {number}"
    for key in table:
        if key not in _REQUIRED | _OPTIONAL:
            raise EndpointRefusedError(f"{where}, {shown_key(key)}: unknown key")
    for key in sorted(_REQUIRED - table.keys()):
        raise EndpointRefusedError(f"{where}, {key}: missing")
    texts = {
        key: _text(where, key, table[key]) for key in ("name", "url", "ca_file", "api_key_variable") if key in table
    }
    if not _NAME.fullmatch(texts["name"]):
        raise EndpointRefusedError(f"{where}, name: must be letters, digits, dots, dashes and underscores, at most 64")
    variable = texts.get("api_key_variable")
    if variable is not None and not _VARIABLE.fullmatch(variable):
        raise EndpointRefusedError(f"{where}, api_key_variable: must be the name of an environment variable, not a key")
    wanted = table["purpose"]
    if not isinstance(wanted, list) or not wanted:
        raise EndpointRefusedError(f"{where}, purpose: must be a list of {', '.join(PURPOSES)}")
    purposes = frozenset(purpose for purpose in PURPOSES if purpose in wanted)
    if len(purposes) != len(wanted):
        raise EndpointRefusedError(f"{where}, purpose: must be a list of {', '.join(PURPOSES)}, each once")
    consents = table.get(CONSENT_KEY, False)
    if not isinstance(consents, bool):
        raise EndpointRefusedError(f"{where}, {CONSENT_KEY}: must be true or false")
    try:
        return PolicyEntry(
            name=texts["name"],
            url=parse_server_url(texts["url"]),
            purposes=purposes,
            ca_file=path.parent / texts["ca_file"] if "ca_file" in texts else None,
            api_key_variable=variable,
            consents=consents,
        )
    except EndpointRefusedError as error:
        problem = str(error)
    raise EndpointRefusedError(f"{where}, {problem}")


def shown_key(key: str) -> str:
    """A key as an error may repeat it."""
    return key if _PLAIN_KEY.fullmatch(key) else "(a key that is not a plain name)"


def _text(where: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise EndpointRefusedError(f"{where}, {key}: must be a string")
    return value
