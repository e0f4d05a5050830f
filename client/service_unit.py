"""The systemd user unit that takes part in the background: it comes back after a crash and with every login."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path

from client.pass_size import PASS_BYTES
from client.profile import HOME_VARIABLE, Profile

UNIT = "tacit.service"
_GIGABYTE = 1e9
_OWN_BYTES = 1.5e9  # of Python, PyTorch, SuperNode and vault
_MARGIN = 1.5  # a private round at 2 GB of weights was measured to peak at 5.5 GB


def memory_need_gb(weights: int) -> int:
    """What a round needs at its peak, with margin: below it, the kernel would end every round half way.

    Args:
        weights: bytes of the base model's weights in memory.
    """
    return math.ceil((_MARGIN * (weights + PASS_BYTES["cpu"]) + _OWN_BYTES) / _GIGABYTE)


def has_systemd() -> bool:
    """Whether this machine can run the unit."""
    return shutil.which("systemctl") is not None


def unit_text(profile: Profile, *, memory_gb: float, cpu_percent: int) -> str:
    """The unit's text.

    Args:
        memory_gb: above which the kernel ends it (and systemd starts it anew).
        cpu_percent: of one core, at most.
    """
    command = _quoted(str(Path(sys.executable).with_name("tacit")))
    return f"""\
[Unit]
Description=Tacit: take part in a federation, as the policy of the profile allows
ConditionPathExists={str(profile.server_file).replace("%", "%%")}

[Service]
ExecStart={command} join
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
    """One word of systemd's: not a shell's. A `$` is only expanded in a command's arguments, and these are no such."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
