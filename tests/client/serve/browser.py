"""The page as a person has it: a real server on loopback, a real vault, the packaged model, and a headless Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest

from client.assistant.assistant import Assistant
from client.assistant.reply_text import ReplyText
from client.importers.imported import Branch
from client.learning import Learning
from client.persona.book import PersonaBook, Reading
from client.persona.inference import Observed
from client.persona.statements import Evidence, Observation
from client.personal_training import PersonalChange
from client.privacy_ledger import PrivacyLedger
from client.profile import Profile, ProfileSettings
from client.serve.app import build_app, listen, make_server
from client.serve.entering import EnteringCodes, entering_routes
from client.serve.page_api import routes
from client.serve.running import ReplyRunner
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.adapter import attach_adapter
from shared.conversation import Conversation, Message, PreferencePair
from shared.language_model import LanguageModel, ModelConfig, load_language_model
from shared.plan_terms import UserPrivacyTerms
from shared.round_plan import FederationPlan
from tests.client.gated import request_of

if TYPE_CHECKING:
    import uvicorn
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (chromium, google-chrome)")
TOKEN = "t" * 43
EVIL = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@dataclass(kw_only=True)
class Served:
    """A server that runs, and what it serves."""

    url: str
    profile: Profile
    vault: Vault
    device: VaultDevice
    assistant: Assistant
    server: uvicorn.Server
    thread: Thread
    codes: EnteringCodes

    @property
    def has_stopped(self) -> bool:
        return not self.thread.is_alive()


@contextmanager
def served(
    home: Path, model: LanguageModel | None = None, *, tuned: bool = False, learning: Learning | None = None
) -> Iterator[Served]:
    """A new profile, served.

    Args:
        learning: by default of the profile's vault.
        tuned: whether there is an adapter of its user's, of random numbers.
    """
    profile = Profile.create(home, ProfileSettings(key_file=home / "vault.key"), KeyFile(home / "vault.key"))
    vault = Vault.open(profile.vault_directory, KeyFile(home / "vault.key"))
    base = model or load_language_model(ModelConfig())
    device = VaultDevice(profile, vault)
    if tuned:
        learn_something(device, base)
    assistant, runner = Assistant(profile, vault, base), ReplyRunner()
    with listen(0) as place:
        address = place.getsockname()
        server: uvicorn.Server

        def stop() -> None:
            server.should_exit = True

        learns = learning or Learning(profile, vault, base)
        codes = EnteringCodes()
        pages = [
            *entering_routes(codes, TOKEN),
            *routes(assistant, vault, profile, learns, runner=runner, stop=stop),
        ]
        app = build_app(
            assistant, vault, token=TOKEN, address=(address[0], address[1]), extra_routes=pages, runner=runner
        )
        server = make_server(app)
        thread = Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        try:
            yield Served(
                url=f"http://{address[0]}:{address[1]}",
                profile=profile,
                vault=vault,
                device=device,
                assistant=assistant,
                server=server,
                thread=thread,
                codes=codes,
            )
        finally:
            stop()
            thread.join(20)
            vault.close()


def learn_something(device: VaultDevice, base: LanguageModel) -> None:
    """Keeps a personal change of random numbers that is large enough to be seen in replies."""
    adapted = attach_adapter(base.twin(), FederationPlan(model=ModelConfig()).adapter)
    vector = np.random.default_rng(0).normal(0, 0.4, adapted.beginning().size).astype(np.float32)
    change = PersonalChange(vector=vector, weight=1.0, losses={0.0: 1.0, 1.0: 0.5}, trained=8, held_out=4)
    device.adapters().keep_personal(adapted.spec.digest(), change)


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.03) -> None:
    """Makes every token take its time, so that a reply can be stopped before its end."""
    add = ReplyText.add

    def slowly(self: ReplyText, token: int) -> str:
        time.sleep(seconds)
        return add(self, token)

    monkeypatch.setattr(ReplyText, "add", slowly)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without any service of its maker's."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(kw_only=True)
class Watched:
    """A page, and all that it asked for or complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def opened(browser: Browser, at: Served, **settings: object) -> Iterator[Watched]:
    """The page, opened with a code. Leaving checks that nothing outside was asked for, and that nothing went wrong.

    Args:
        settings: of the browser's context.
    """
    context: BrowserContext = browser.new_context(**settings)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    page = context.new_page()
    watched = Watched(page=page)
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
    page.on(
        "console",
        lambda said: (
            watched.complaints.append(f"{said.type}: {said.text}") if said.type in ("error", "warning") else None
        ),
    )
    try:
        page.goto(f"{at.url}/#code={at.codes.make()}")
        page.locator("main h1").first.wait_for()
        yield watched
        assert watched.complaints == []
        assert [url for url in watched.requests if not url.startswith(f"{at.url}/")] == []
    finally:
        context.close()


def talked(vault: Vault, *, conversations: int = 3) -> list[str]:
    """Conversations that were imported and that were had here: their ids."""
    names = []
    for number, (said, answer, more) in enumerate(_TALKS * -(-conversations // len(_TALKS))):
        if number == conversations:
            break
        name = f"chatgpt:c{number}" if number % 2 else f"chat:{number:032x}"
        messages = (
            Message(role="user", content=said),
            Message(role="assistant", content=answer),
            Message(role="user", content=more),
            Message(role="assistant", content="Knead, wait twelve hours, bake hot."),
        )
        conversation = Conversation(
            conversation_id=name,
            messages=messages,
            started=datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=number),
        )
        if number % 2:
            with vault.imports.importing() as transaction:
                transaction.put(
                    conversation,
                    [Branch(at=1, kept=1, left=(Message(role="assistant", content="Hm."),), kind="regenerated")],
                )
        else:
            vault.conversations.put(conversation, source="chats")
        names.append(name)
    return names


def known(vault: Vault, names: list[str], *texts: str) -> None:
    """A persona of what was observed in these conversations."""
    read = {}
    for number, name in enumerate(names):
        evidence = Evidence(conversation_id=name, turn=2, date=vault.conversations.get(name).started)
        found = tuple(Observation(text=text, evidence=evidence) for text in texts[number % 2 :])
        read[name] = Reading(digest=f"digest {number}", observed=Observed(observations=found))
    vault.personas.save(PersonaBook(reader="a model", read=read))


def paired(vault: Vault, names: list[str], *, worse: str = "Bread rises since yeast makes gas.") -> list[int]:
    """A pair of each conversation: their numbers."""
    numbers = []
    for name in names:
        pair = PreferencePair(
            prompt=vault.conversations.get(name).messages[:1],
            chosen=(Message(role="assistant", content="**Yeast** makes gas:\n\n- it eats sugar\n- the dough rises"),),
            rejected=(Message(role="assistant", content=worse),),
            origin="rewrite",
        )
        statements = vault.personas.load().persona().statements[:1]
        pair = replace(pair, persona=statements[0].text if statements else None)
        numbers.append(vault.pairs.add(pair, conversation_ids=[name], persona=statements))
    return numbers


def answered(profile: Profile, rounds: int = 6) -> None:
    """A ledger with charges, a refusal, and a policy that sets a limit."""
    terms = UserPrivacyTerms(noise_multiplier=4.0, participations=rounds, separation=1)
    plan = FederationPlan(user_privacy=terms, sampling="schedule", rounds=40, cohort_size=60, devices=400)
    ledger = PrivacyLedger(directory=profile.ledger_directory, anchor_directory=profile.state_directory)
    ledger.begin()
    for number in range(1, rounds + 1):
        request = request_of(plan, round_number=number)
        ledger.charge(request)
        if number % 5:
            ledger.record_reply(request, "d" * 64)
    ledger.note_refusal("7" * 32, 3, "the plan's noise multiplier 0.1 is below the 0.5 that the policy asks for")
    profile.policy_file.write_text(
        'delta = 1e-6\nrequire = "user"\n[user]\nmax_epsilon_per_run = 4.0\nmax_epsilon_in_total = 8.0\n'
    )
    profile.policy_file.chmod(0o600)


_TALKS = (
    ("Could you explain how bread rises?", "Yeast eats sugar and gives off gas, which lifts the dough.",
     "Please keep it short and plain, I am new to this."),
    ("What should I look at when I buy a used bicycle?", "Frame, chain, brakes and wheels, in this order.",
     "Give me a list, please."),
    ("How do I learn the names of stars?", "Begin with the Big Dipper and go from star to star.",
     "Shorter, please."),
)  # fmt: skip
