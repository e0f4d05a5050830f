"""The systemd user unit that takes part in the background: it comes back after a crash and with every login."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from client.profile import HOME_VARIABLE, Profile

UNIT = "tacit.service"


def unit_text(profile: Profile, *, memory_gb: float, cpu_percent: int) -> str:
    """The unit's text.

    Args:
        memory_gb: above which the kernel ends it (and systemd starts it anew).
        cpu_percent: of one core, at most.
    """
    command = shlex.join([str(Path(sys.executable).with_name("tacit")), "join"])
    return f"""\
[Unit]
Description=Tacit: take part in a federation, as the policy of the profile allows

[Service]
ExecStart={command.replace("%", "%%")}
Environment={_quoted(f"{HOME_VARIABLE}={profile.home}")}
Restart=always
RestartSec=30
Nice=19
CPUSchedulingPolicy=idle
IOSchedulingClass=idle
CPUQuota={cpu_percent}%
MemoryMax={int(memory_gb * 10**9)}
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths={_quoted(str(profile.home))}
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LockPersonality=yes

[Install]
WantedBy=default.target
"""


def unit_file(config_home: Path) -> Path:
    """Where systemd looks for a user's units."""
    return config_home / "systemd" / "user" / UNIT


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
