"""`tacit learn`, `tacit persona` and `tacit pairs`: what the assistant learns of its user, and from what."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from client.commands.consent import ask_consents, say_thrown_away
from client.commands.opening import err, opened, out, piped_text, told
from client.commands.terminal_text import plain_line, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.learning import Learning, LearningLimits, LearningProgress, LearningReport
    from client.persona.book import PersonaBook
    from client.profile import Profile
    from client.vault.pairs import KeptPair
    from client.vault.vault import Vault


def learning_of(profile: Profile, vault: Vault, limits: LearningLimits | None = None) -> Learning:
    """Learning with the profile's model, which is loaded for it. Raises: LanguageModelError."""
    from client.learning import Learning
    from shared.language_model import load_language_model

    with err.status("loading the model"):
        base = load_language_model(profile.settings.model)
    return Learning(profile, vault, base, limits)


def learn(
    train: Annotated[bool, typer.Option(help="Whether your own adapter is trained, too.")] = True,
    conversations: Annotated[int, typer.Option(help="Read for the persona, at most; newest first.", min=1)] = 200,
    pairs: Annotated[int, typer.Option(help="Of each kind that are tried, at most.", min=1)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, for scripts.")] = False,
) -> None:
    """Learn from what you agreed to: read your persona, make pairs, and train an adapter of your own. All of it here.

    Where you asked for a reply to be redone, it is, and the better one is preferred; where you said nothing, replies
    are ranked under your persona; where you left one reply for another, that is taken as it is. Run it again whenever
    you like: it goes on where it stopped. `tacit chat` and `tacit serve` take the new adapter without a restart.

    Example:

      tacit consent chats yes && tacit learn
    """
    from client.learning import LearningLimits

    with told("what was learned so far is kept; run it again to go on"), opened() as (profile, vault):
        ask_consents(vault)
        learning = learning_of(profile, vault, LearningLimits(conversations=conversations, pairs=pairs))
        with _bar() as progress:
            report = learning.run(train=train, progress=progress)
        if as_json:
            typer.echo(json.dumps(report.to_dict()))
        else:
            _show_report(report)


def persona(
    write: Annotated[
        str | None, typer.Option(help="Add a statement in your own words, above others; - reads standard input.")
    ] = None,
    lock: Annotated[int | None, typer.Option(help="Keep statement NUMBER as it is, whatever you say later.")] = None,
    unlock: Annotated[int | None, typer.Option(help="Let NUMBER go: what is inferred is stated in its place.")] = None,
    strike: Annotated[int | None, typer.Option(help="Never state NUMBER again, nor the like.")] = None,
    unstrike: Annotated[
        str | None, typer.Option(help="This text, struck out, may be stated again; - as above.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Read what your assistant believes of you, and change it.

    Statements come from what you said (`tacit learn`), with the place where you said it; newer words weigh more.
    Health, religion, politics, sexuality, ethnicity and contact data are left out. The persona never leaves.

    Words on a command line are seen by whoever lists this machine's processes, and stay in your shell's history: with -
    they are read from standard input.

    Examples:

      tacit persona

      tacit persona --write "Prefers metric units."

      tacit persona --write - < words.txt

      tacit persona --strike 2
    """
    if write == "-":
        write = piped_text()
    if unstrike == "-":
        unstrike = piped_text()

    with told("your persona is as it was"), opened() as (_, vault):
        after = vault.personas.edit(
            lambda book: edited(book, write=write, lock=lock, unlock=unlock, strike=strike, unstrike=unstrike)
        )
        if as_json:
            typer.echo(json.dumps(_persona_values(after), ensure_ascii=False))
        else:
            show_persona(after)


def pairs(
    show: Annotated[int | None, typer.Option("--show", metavar="NUMBER", help="Print one, whole.")] = None,
    drop: Annotated[int | None, typer.Option("--drop", metavar="NUMBER", help="Never learn from this one.")] = None,
    correct: Annotated[
        int | None,
        typer.Option(
            "--correct", metavar="NUMBER", help="Replace its better reply with what stands on standard input."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Look at the pairs that your adapter learns from; correct or drop any of them.

    A pair says: after this request, you are better served by the one reply than by the other. `tacit learn` makes them.
    One that was trained on takes your own adapter along when it is dropped or corrected; `tacit learn` trains another.

    Examples:

      tacit pairs

      tacit pairs --show 3

      echo "Twelve minutes." | tacit pairs --correct 3
    """
    from client.vault_device import VaultDevice
    from shared.conversation import Message

    with told("your pairs are as they were"), opened() as (profile, vault):
        thrown_away = False
        if drop is not None:
            thrown_away = vault.pairs.drop(drop)
        if correct is not None:
            said = piped_text()
            thrown_away |= vault.pairs.correct(correct, chosen=(Message(role="assistant", content=said),))
        if thrown_away:
            say_thrown_away(VaultDevice(profile, vault))
        number = show if show is not None else correct
        if number is not None:
            _show_pair(vault.pairs.get(number), as_json=as_json)
            return
        kept = vault.pairs.every()
        usable = {one.number for one in vault.pairs.trainable()}
        if as_json:
            typer.echo(json.dumps([_pair_facts(one, one.number in usable) for one in kept]))
            return
        if not kept:
            out.print("there are none yet: `tacit learn` makes them", highlight=False)
            return
        table = Table(show_edge=False)
        for name in ("", "kind", "state", "may be used", "made", "from"):
            table.add_column(name)
        for one in kept:
            table.add_row(
                str(one.number), one.pair.origin, one.state, "yes" if one.number in usable else "no",
                one.made_at.date().isoformat(), Text(plain_line(", ".join(one.conversation_ids))),
            )  # fmt: skip
        out.print(table)


@contextmanager
def _bar() -> Iterator[LearningProgress]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task("", total=None)

        def progress(what: str, done: float | None) -> None:
            bar.update(task, description=what, total=None if done is None else 1.0, completed=done or 0.0)

        yield progress


def _show_report(report: LearningReport) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_row("conversations that you agreed to", f"{report.conversations:,}")
    if report.unread:
        table.add_row("of them left for the next time", f"{report.unread:,}")
    table.add_row("statements about you", str(report.statements))
    made = ", ".join(f"{count} {origin}" for origin, count in sorted(report.made.items()))
    table.add_row("new pairs", made or "none")
    for reason, count in sorted(report.rejected.items()):
        table.add_row("no pair", f"{count}: {reason}")
    out.print(table, highlight=False)
    change = report.personal
    if change is None:
        out.print(
            f"{report.used} pairs can be trained on: too few to learn from and to choose by. Talk on"
            if report.used
            else "nothing was trained",
            highlight=False,
        )
        return
    used = f"{change.weight:.0%} of it is used" if change.weight else "none of it is used: it does no better without"
    out.print(
        f"your own adapter: trained on {change.trained} pairs, and tried on {change.held_out} others; {used}. "
        "It stays on this device",
        highlight=False,
    )


def edited(
    book: PersonaBook,
    *,
    write: str | None,
    lock: int | None,
    strike: int | None,
    unlock: int | None = None,
    unstrike: str | None = None,
) -> PersonaBook:
    """The book with what its user asked for, in this order. Raises: PersonaBookError."""
    if write is not None:
        book = book.write(write)
    if lock is not None:
        book = book.lock(lock)
    if unlock is not None:
        book = book.unlock(unlock)
    if strike is not None:
        book = book.strike(strike)
    if unstrike is not None:
        book = book.unstrike(unstrike)
    return book


def show_persona(book: PersonaBook) -> None:
    """Prints the statements with where each comes from, and what was struck out."""
    from client.persona.statements import StatementDropped

    statements = book.persona().statements
    if not statements:
        out.print("nothing is known of you yet", highlight=False)
    table = Table(show_edge=False)
    for name in ("", "statement", "sure", "last said", "from"):
        table.add_column(name)
    for number, one in enumerate(statements, start=1):
        places = ", ".join(f"{found.conversation_id} turn {found.turn}" for found in one.evidence[-3:])
        more = f" and {len(one.evidence) - 3} more" if len(one.evidence) > 3 else ""
        source = "you wrote it" if one.source == "user" else f"{places}{more}"
        lock = " (locked)" if one.locked else ""
        date = one.date.date().isoformat() if one.date is not None else ""
        table.add_row(
            str(number), Text(plain_line(one.text)), f"{one.confidence:.0%}", date, Text(plain_line(source + lock))
        )
    if statements:
        out.print(table)
    for text in book.struck:
        out.print(Text(f"struck out: {plain_line(text)}"))
    dropped = book.dropped()
    del dropped[StatementDropped.NOTHING_SAID]  # an answer that states nothing was no statement
    if dropped:
        reasons = ", ".join(f"{count} {reason.value}" for reason, count in sorted(dropped.items()))
        out.print(f"left out: {reasons}", highlight=False)


def _persona_values(book: PersonaBook) -> list[dict[str, object]]:
    from client.persona.book import statement_values

    return [{"number": number} | statement_values(one) for number, one in enumerate(book.persona().statements, start=1)]


def _pair_facts(one: KeptPair, usable: bool) -> dict[str, object]:
    return {
        "number": one.number,
        "origin": one.pair.origin,
        "state": one.state,
        "may_be_used": usable,
        "made_at": one.made_at.isoformat(),
        "conversation_ids": list(one.conversation_ids),
    }


def _show_pair(one: KeptPair, *, as_json: bool) -> None:
    from shared.preference_lines import PreferenceLine, format_preference_line

    if as_json:
        typer.echo(format_preference_line(PreferenceLine(pair=one.pair)).strip())
        return
    out.print(f"pair {one.number}, {one.pair.origin}, {one.state}", highlight=False)
    parts = (("after", one.pair.prompt), ("better", one.pair.chosen), ("worse", one.pair.rejected))
    for title, messages in parts:
        for message in messages:
            out.print(Text(f"{title} ({message.role})", style="bold"))
            out.print(Text(plain_text(message.content)))
    if one.pair.persona is not None:
        out.print(Text("for", style="bold"))
        out.print(Text(plain_text(one.pair.persona)))
