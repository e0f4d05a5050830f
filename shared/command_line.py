"""What the three console scripts have in common."""

from __future__ import annotations

import logging
import os
import warnings

from rich.console import Console
from rich.logging import RichHandler


def quiet_libraries(console: Console) -> None:
    """Warnings of Tacit's own go to `console`, a line each; libraries say only what a user can act on.

    Tracebacks are never decorated with local variables: those may be a person's words.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    handler = RichHandler(console=console, show_time=False, show_path=False, markup=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    for name in ("transformers", "peft", "opacus", "flwr", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for library in ("transformers", "peft", "opacus", "torch", "typer", "flwr"):
        warnings.filterwarnings("ignore", module=library)
