"""`tacit-server release`: the signed releases of a run, and how they are handed out."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.command_line import explained

app = typer.Typer(
    help="The releases of a run: signed, each naming the one before.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out, err = Console(), Console(stderr=True)
_Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]


@app.command("list")
def list_releases(
    run: _Run, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a release.")] = False
) -> None:
    """List a run's signed releases, after checking that each follows the one before.

    RUN/releases/ is what devices are given: `tacit release install`.
    """
    from server.release_chain import read_chain, release_directories
    from server.releases import ReleaseError
    from shared.release import ADAPTER_FILE

    with _explained():
        if not run.is_dir():
            raise ReleaseError(f"there is no directory {run}")
        chain = read_chain(run)
        kept = {int(one.name) for one in release_directories(run) if (one / ADAPTER_FILE).exists()}
        if as_json:
            for one in chain:
                said = {**asdict(one), "digest": one.digest(), "kept": one.round_number in kept}
                sys.stdout.write(json.dumps(said) + "\n")
            return
        if not chain:
            out.print("no signed releases: a run makes them where output.signing-key names the server's key")
            return
        table = Table(
            title=f"{len(chain)} releases of run {chain[0].run[:8]}, each follows the one before", title_justify="left"
        )
        for name in ("release", "made", "manifest", "adapter", "kB"):
            table.add_column(name, justify="right" if name in ("release", "kB") else "left")
        for one in chain:
            table.add_row(
                str(one.round_number),
                f"{datetime.fromtimestamp(one.made, UTC):%Y-%m-%d %H:%M}",
                one.digest()[:16],
                "kept" if one.round_number in kept else "removed",
                f"{one.size / 1000:,.0f}",
            )
        out.print(table)
        out.print(f"signed by {chain[0].server}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def export(
    run: _Run,
    directory: Annotated[Path, typer.Option("--out", help="A new directory.")],
    round_number: Annotated[
        int | None, typer.Option("--round", min=1, help="Which release; by default the last.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Write the whole model with the adapter folded in.")] = False,
) -> None:
    """Write a release as others read it: a PEFT directory, or with --merge a whole model; with a model card.

    Read the card (README.md) and state a licence in it before you hand it out. Example:

      tacit-server release export runs/first --out first-adapter
    """
    from server.release_export import export_release

    with _explained():
        with err.status("loading the base model"):
            export_release(run, directory, round_number=round_number, merged=merge)
        out.print(f"{directory}: read README.md and state a licence there", markup=False, highlight=False)


def _explained() -> AbstractContextManager[None]:
    return explained(_expected, err, interrupted="nothing was written")


def _expected() -> tuple[type[Exception], ...]:
    from server.releases import ReleaseError
    from shared.adapter_spec import AdapterError
    from shared.language_model import LanguageModelError
    from shared.release import ReleaseManifestError

    return (AdapterError, LanguageModelError, OSError, ReleaseError, ReleaseManifestError)
