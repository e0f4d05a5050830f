"""Where a server leaves what a run makes, and with what it signs: the configuration that stays on the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.flat_config import ConfigError, Scalar, refuse_unknown, require, take, write_fields

_GROUP = "output"


@dataclass(frozen=True, kw_only=True)
class RunOutput:
    """Where the server leaves what a run makes. Not part of the plan, and never sent to a device.

    Attributes:
        directory: the run's; on the server's machine, so absolute in a deployment.
        resume: continue a run that stands there already.
        signing_key: file of the server's key (`tacit-server key`), with which every request and every release is
            signed; None signs none, and makes no signed releases.
        roster: file of the enrolled devices (`tacit-server organiser roster`), signed by their organiser; secure
            aggregation needs it.
        kept_releases: how many of the last signed releases keep their adapter; every one keeps its manifest.
    """

    directory: str
    resume: bool = False
    signing_key: str | None = None
    roster: str | None = None
    kept_releases: int = 3

    def __post_init__(self) -> None:
        require(self.kept_releases >= 1, "output.kept-releases", "must be at least 1")

    def to_run_config(self) -> dict[str, Scalar]:
        """The keys that belong to the server alone."""
        return write_fields(self, _GROUP)

    @classmethod
    def from_run_config(cls, config: Mapping[str, object]) -> RunOutput:
        """Raises: ConfigError: no directory, an unknown `output.` key or a wrong type."""
        left = {key: value for key, value in config.items() if key.startswith(f"{_GROUP}.")}
        if not left.get("output.directory"):
            raise ConfigError("output.directory: must name the directory that the run leaves its results in")
        output = take(cls, _GROUP, left)
        refuse_unknown(left)
        return output
