"""What every benchmark returns and writes: versions, machine, results, and ratios against a peer in the same run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch


def make_report(
    name: str,
    *,
    packages: Sequence[str],
    results: Sequence[Mapping[str, object]],
    ratios: Mapping[str, float],
    json_path: Path | None,
    **more: object,
) -> dict[str, object]:
    """The report, which is written where a path is given.

    Args:
        packages: whose versions matter.
        more: what else the figures hang on.
    """
    report: dict[str, object] = {
        "name": name,
        "versions": {package: version(package) for package in packages},
        "machine": {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "torch_threads": torch.get_num_threads(),
            "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
        **more,
        "results": list(results),
        "ratios": dict(ratios),
    }
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report
