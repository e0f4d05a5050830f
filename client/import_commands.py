"""`tacit import`: old conversations, from what other assistants let one take along. Nothing leaves the device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.command_line import explained

if TYPE_CHECKING:
    from client.importers.imported import FormatName
    from client.importers.importing import ImportReport

out, err = Console(), Console(stderr=True)

_FORMATS = "chatgpt, claude, sharegpt, wildchat, lmsys, open-webui or messages"


def import_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="An export: its .zip, a file of it, or its folder."),
    ],
    into: Annotated[
        Path, typer.Option(help="Your conversations: a file that only you can read. It is made or added to.")
    ] = Path("conversations.jsonl"),
    source_format: Annotated[
        str | None, typer.Option("--format", help=f"What PATH holds: {_FORMATS}. Left out: it is looked at.")
    ] = None,
    largest: Annotated[
        int, typer.Option(help="The most megabytes of one conversation; larger ones are skipped.", min=1, max=1024)
    ] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, for scripts.")] = False,
) -> None:
    """Bring your old conversations along, and say what was skipped and why.

    Ask ChatGPT (Settings, Data controls, Export data) or Claude (Settings, Privacy, Export data) for your data, and
    give the .zip that they send as it is. Import again whenever you have a newer one: what is there already is left
    alone, conversations that grew are replaced. An import that was interrupted changed nothing: run it again.

    Where you asked for another reply and went on from it, or edited your message, choices.jsonl beside --into keeps
    which one you left.

    Examples:

      tacit import chatgpt-export.zip --into conversations.jsonl

      tacit import wildchat/ --format wildchat --into conversations.jsonl --json
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from client.importers.importing import import_conversations
    from client.importers.jsonl_store import JsonlStore
    from client.importers.reading import ImportFileError
    from client.importers.records import ImportLimits

    with _explained():
        named = _format(source_format)
        if path.resolve() == into.resolve():
            raise ImportFileError(file=str(path), reason="is where the import goes: name another file with --into")
        bar = Progress(
            TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err, transient=True
        )
        with bar:
            task = bar.add_task("reading", total=None)
            report = import_conversations(
                path,
                JsonlStore(into),
                source_format=named,
                limits=ImportLimits(conversation_bytes=largest * 2**20),
                progress=lambda read, in_all: bar.update(task, completed=read, total=in_all),
            )
        if as_json:
            typer.echo(json.dumps(report.to_dict(), indent=2))
        else:
            _show(report, into)
    for damage in report.damage:
        err.print(f"error: {damage}. What came before it is imported", markup=False, highlight=False, soft_wrap=True)
    if report.damage:
        raise typer.Exit(1)


def _show(report: ImportReport, into: Path) -> None:
    counts = Table.grid(padding=(0, 2))
    counts.add_row("format", report.source_format)
    for name, count in (("read", report.read), ("added", report.added), ("updated", report.updated)):
        counts.add_row(name, f"{count:,}")
    counts.add_row("unchanged", f"{report.unchanged:,}")
    for kind, count in sorted(report.choices.items()):
        what = "replies you left for another" if kind == "regenerated" else "messages you worded anew"
        counts.add_row(what, f"{count:,}")
    out.print(counts, highlight=False)
    tables: tuple[tuple[str, Mapping[str, int]], ...] = (
        ("conversations", {str(reason): count for reason, count in report.skipped.items()}),
        ("messages", {str(reason): count for reason, count in report.skipped_messages.items()}),
        ("branches", {str(reason): count for reason, count in report.skipped_branches.items()}),
    )
    if any(skipped for _, skipped in tables):
        table = Table(title="skipped", title_justify="left", show_edge=False)
        table.add_column("what")
        table.add_column("how many", justify="right")
        table.add_column("why")
        for what, skipped in tables:
            for reason, count in sorted(skipped.items(), key=lambda one: (-one[1], one[0])):
                table.add_row(what, f"{count:,}", reason)
        out.print(table, highlight=False)
    if report.added or report.updated:
        out.print(f"conversations: {into}", markup=False, highlight=False)


def _format(name: str | None) -> FormatName | None:
    from client.importers.imported import FORMAT_NAMES

    for known in FORMAT_NAMES:
        if name == known:
            return known
    if name is not None:
        raise typer.BadParameter(f"must be {_FORMATS}", param_hint="--format")
    return None


def _expected() -> tuple[type[Exception], ...]:
    from client.importers.jsonl_store import StoreBusyError
    from client.importers.reading import ImportFileError
    from shared.preference_files import PreferenceFileError

    return (ImportFileError, OSError, PreferenceFileError, StoreBusyError)


def _explained() -> AbstractContextManager[None]:
    return explained(_expected, err, interrupted="your conversations are as they were; run it again")
