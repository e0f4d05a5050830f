"""`tacit`: what a person types on their own device.

Nothing leaves it but what `tacit join` answers, as the user's policy allows, and what `tacit files pairs --server NAME`
hands to a server of the user's own policy file.

PyTorch and the rest are imported by the commands that use them, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from client.commands.chat import chat_command
from client.commands.consent import consent, conversations
from client.commands.control import export, forget, leave, pause, resume
from client.commands.files import app as files_app
from client.commands.imports import import_command
from client.commands.init import init
from client.commands.join import card, doctor, join
from client.commands.learn import learn, pairs, persona
from client.commands.opening import err
from client.commands.personal import app as personal_app
from client.commands.privacy import identity, policy_app, privacy
from client.commands.release import app as release_app
from client.commands.serve import serve_command
from client.commands.vault import app as vault_app
from shared.command_line import run_script

app = typer.Typer(
    help="Your own assistant. It learns from your conversations on this device, and keeps them to itself.\n\n"
    "Begin with `tacit init`, then `tacit chat` or `tacit serve`; `tacit import` brings old chats, and `tacit learn` "
    "learns from what you agreed to.\n\n"
    "Your profile lies in TACIT_HOME (by default ~/.tacit); TACIT_PASSPHRASE opens it where nobody can type.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, which may be your words
)

_TALK, _LEARN, _CONTROL, _SHARE = "Talk", "Learn", "Decide", "Take part"
_COMMANDS: tuple[tuple[str, dict[str, Callable[..., None]]], ...] = (
    (_TALK, {"init": init, "import": import_command, "chat": chat_command, "serve": serve_command}),
    (_LEARN, {"learn": learn, "persona": persona, "pairs": pairs}),
    (
        _CONTROL,
        {"consent": consent, "conversations": conversations, "forget": forget, "export": export, "doctor": doctor},
    ),
    (
        _SHARE,
        {
            "join": join,
            "card": card,
            "pause": pause,
            "resume": resume,
            "leave": leave,
            "privacy": privacy,
            "identity": identity,
        },
    ),
)
for panel, commands in _COMMANDS:
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(command)
app.add_typer(personal_app, name="personal", rich_help_panel=_LEARN)
app.add_typer(vault_app, name="vault", rich_help_panel=_CONTROL)
app.add_typer(policy_app, name="policy", rich_help_panel=_SHARE)
app.add_typer(release_app, name="release", rich_help_panel=_SHARE)
app.add_typer(files_app, name="files", rich_help_panel="Research")


def main() -> None:
    """The console script."""
    run_script(app, err)
