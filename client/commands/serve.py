"""`tacit serve`: the assistant for chat front ends and for a browser, on this machine alone.

PyTorch and the rest are imported by the command, so that `--help` answers at once.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from client.commands.opening import err, opened, out, told
from shared.private_files import write_private

DEFAULT_PORT = 8765
_OPENING_FILE = "open-page.html"


def serve_command(
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes one that is free.", min=0, max=65535)] = DEFAULT_PORT,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in your browser.")] = False,
    show_token: Annotated[
        bool,
        typer.Option("--show-token", help="Print the token, to paste: whoever has it can read your conversations."),
    ] = False,
) -> None:
    """Serve your assistant to chat front ends and to your browser. Nothing outside this machine can reach it.

    Any front end that speaks OpenAI's API can use it: give it the address and the token that are printed. Its models:
    `tacit` keeps the conversation in your vault, `tacit-private` keeps nothing, `tacit-base` is the model without what
    it has learned. Choose `tacit-private` for what a front end asks by itself, such as titles. A front end keeps
    copies of its own, which `tacit forget` does not reach.

    Example:

      tacit serve --open

      export OPENAI_BASE_URL=http://127.0.0.1:8765/v1 OPENAI_API_KEY="$(cat ~/.tacit/serve.token)"
    """
    with told("the server has not started"), opened() as (profile, vault):
        from client.assistant.assistant import Assistant
        from client.learning import Learning
        from client.serve import page_api
        from client.serve.app import build_app, listen, make_server
        from client.serve.entering import EnteringCodes, entering_routes
        from client.serve.running import ReplyRunner
        from client.serve.token import serve_token
        from shared.language_model import load_language_model

        token = serve_token(profile.token_file)
        with listen(port) as place:
            address = place.getsockname()
            with err.status(f"loading {profile.settings.model.name}"):
                model = load_language_model(profile.settings.model)
                assistant = Assistant(profile, vault, model)
            runner = ReplyRunner()

            def stop() -> None:
                server.should_exit = True

            codes = EnteringCodes()
            page = page_api.routes(assistant, vault, profile, Learning(profile, vault, model), runner=runner, stop=stop)
            server = make_server(
                build_app(
                    assistant,
                    vault,
                    token=token,
                    address=(address[0], address[1]),
                    extra_routes=[*entering_routes(codes, token), *page],
                    runner=runner,
                )
            )
            base = f"http://{address[0]}:{address[1]}"
            _say(base, profile.token_file, token if show_token else None)
            problem = assistant.state().problem
            if problem:
                err.print(problem, markup=False, highlight=False, soft_wrap=True)
            opening = profile.home / _OPENING_FILE
            try:
                if open_page:
                    _open(f"{base}/#code={codes.make()}", opening)
                with suppress(KeyboardInterrupt):  # raised anew when everything is closed
                    server.run(sockets=[place])
            finally:
                opening.unlink(missing_ok=True)
    out.print("stopped", highlight=False)


def _say(base: str, token_file: Path, token: str | None) -> None:
    key = f'"$(cat {token_file})"' if token is None else token
    hint = "`tacit serve --open` opens it; else it asks for your token" if token is None else f"it asks for {token}"
    for line in (
        f"page:       {base}/ ({hint})",
        f"front ends: export OPENAI_BASE_URL={base}/v1 OPENAI_API_KEY={key}",
        "models:     tacit (kept in your vault), tacit-private (not kept), tacit-base (has learned nothing)",
        "Ctrl-C stops it.",
    ):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _open(address: str, through: Path) -> None:
    """Shows an address in the browser by way of a file: the command lines of programs can be read by other users.

    The address stays in the browser's history: it must hold nothing that is good for longer than a minute.
    """
    import webbrowser

    from client.clean_environment import cleaned_environment

    goes_on = f'<meta http-equiv="refresh" content="0; url={address}">'
    page = f'<!doctype html><meta charset="utf-8">{goes_on}<title>Tacit</title>'
    write_private(through, [page.encode("ascii")])
    with cleaned_environment():
        shown = webbrowser.open(through.as_uri())
    if not shown:
        err.print("there is no browser to open: see --show-token", highlight=False)
