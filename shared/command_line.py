"""What the three console scripts have in common: quiet libraries, settings in layers, errors as one line."""

from __future__ import annotations

import logging
import os
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.logging import RichHandler

from shared.flat_config import ConfigError, from_tables


def quiet_libraries(console: Console) -> None:
    """Warnings of Tacit's own go to `console`, a line each; libraries say only what a user can act on.

    Tracebacks are never decorated with local variables: those may be a person's words.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Read when PyTorch is loaded, which the commands do later. Threads that spin while they wait make two PyTorch
    # processes on two cores several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    handler = RichHandler(console=console, show_time=False, show_path=False, markup=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)
    for name in ("transformers", "peft", "opacus", "flwr", "httpx", "httpcore", "lm_eval"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for library in ("transformers", "peft", "opacus", "torch", "typer", "flwr"):
        warnings.filterwarnings("ignore", module=library)


@contextmanager
def explained(
    expected: Callable[[], tuple[type[Exception], ...]], console: Console, *, interrupted: str
) -> Iterator[None]:
    """Ends the command with status 1 and one line on `console` for each kind of error that says what to do.

    Args:
        expected: those kinds; called when something was raised, so that nothing is imported for them before.
        interrupted: said on Ctrl-C, which ends the command with status 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"stopped: {interrupted}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except Exception as error:
        if not isinstance(error, expected()):
            raise
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        console.print(f"error: {said}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def settings(
    *, config: Path | None, flags: Mapping[str, object], assignments: Sequence[str] | None, preset: Mapping[str, object]
) -> dict[str, object]:
    """Flat keys in layers: a preset, then a TOML file, then flags that were given, then `--set`.

    Raises:
        ConfigError: the file or an assignment cannot be read; OSError: the file is not there.
    """
    return {
        **preset,
        **(read_toml(config) if config is not None else {}),
        **{key: value for key, value in flags.items() if value is not None},
        **dict(parse_assignment(text) for text in assignments or ()),
    }


def read_toml(path: Path) -> dict[str, object]:
    """A TOML file as flat keys.

    Raises:
        ConfigError: it is not TOML, or not in tables; it names the file.
        OSError: it cannot be read.
    """
    try:
        return from_tables(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_assignment(text: str) -> tuple[str, object]:
    """`training.beta=0.2` as a key and its value, written as TOML; a bare word is a string.

    Raises:
        ConfigError: there is no `=`, or no dot in the key.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or "." not in key:
        raise ConfigError(f"--set takes GROUP.KEY=VALUE, as in training.beta=0.2, and not {text!r}")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def run_script(app: Callable[[], object], console: Console) -> None:
    """A console script's whole life."""
    quiet_libraries(console)
    app()
