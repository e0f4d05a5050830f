"""What `--help` of every command says, it shows: Rich takes words in brackets for markup, and leaves them out."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
import typer
from rich.text import Text
from typer.main import get_command

from client.cli import app as client_app
from server.cli import app as server_app
from simulations.cli import app as simulations_app

_APPS = {"tacit": client_app, "tacit-server": server_app, "tacit-sim": simulations_app}


def _texts(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _texts(below, f"{path} {name}")


@pytest.mark.parametrize("name", _APPS)
def test_no_word_of_a_help_text_is_taken_for_markup(name: str) -> None:
    app: typer.Typer = _APPS[name]
    texts = dict(_texts(get_command(app), name))

    assert len(texts) > 30
    lost = {where: said for where, said in texts.items() if Text.from_markup(said).plain != said.replace("\\[", "[")}
    assert lost == {}
