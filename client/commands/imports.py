"""`tacit import`: old conversations, from what other assistants let one take along. Nothing leaves the device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from client.commands.consent import ask_consents
from client.commands.opening import err, opened, out, told

if TYPE_CHECKING:
    from client.importers.imported import FormatName
    from client.importers.importing import ImportReport

_FORMATS = "chatgpt, claude, sharegpt, wildchat, lmsys, open-webui or messages"


def import_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="An export: its .zip, a file of it, or its folder."),
    ],
    into: Annotated[
        Path | None,
        typer.Option(help="A plain file that only you can read, instead of your vault. It is made or added to."),
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--format", help=f"What PATH holds: {_FORMATS}. Left out: it is looked at.")
    ] = None,
    largest: Annotated[
        int, typer.Option(help="The most megabytes of one conversation; larger ones are skipped.", min=1, max=1024)
    ] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, for scripts.")] = False,
) -> None:
    """Bring your old conversations into your vault, and say what was skipped and why.

    Ask ChatGPT (Settings, Data controls, Export data) or Claude (Settings, Privacy, Export data) for your data, and
    give the .zip that they send as it is. Import again whenever you have a newer one: what is there already is left
    alone, conversations that grew are replaced, what you forgot stays forgotten. An import that was interrupted changed
    nothing: run it again. Nothing is learned from them before you say so (`tacit consent imports yes`).

    Where you asked for another reply and went on from it, or edited your message, it is kept which one you left: with
    --into, in choices.jsonl beside the file.

    Examples:

      tacit import chatgpt-export.zip

      tacit import wildchat/ --format wildchat --into conversations.jsonl --json
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from client.importers.importing import import_conversations
    from client.importers.jsonl_store import JsonlStore
    from client.importers.reading import ImportFileError
    from client.importers.records import ImportLimits

    with told("your conversations are as they were; run it again"), ExitStack() as stack:
        named = _format(source_format)
        if into is not None and path.resolve() == into.resolve():
            raise ImportFileError(file=str(path), reason="is where the import goes: name another file with --into")
        vault = None if into is not None else stack.enter_context(opened())[1]
        store = vault.imports if vault is not None else JsonlStore(into or Path())
        bar = Progress(
            TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err, transient=True
        )
        with bar:
            task = bar.add_task("reading", total=None)
            report = import_conversations(
                path,
                store,
                source_format=named,
                limits=ImportLimits(conversation_bytes=largest * 2**20),
                progress=lambda read, in_all: bar.update(task, completed=read, total=in_all),
            )
        if as_json:
            typer.echo(json.dumps(report.to_dict(), indent=2))
        else:
            _show(report, "your vault" if into is None else str(into))
            if vault is not None:
                ask_consents(vault)
    for damage in report.damage:
        err.print(f"error: {damage}. What came before it is imported", markup=False, highlight=False, soft_wrap=True)
    if report.damage:
        raise typer.Exit(1)


def _show(report: ImportReport, into: str) -> None:
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
