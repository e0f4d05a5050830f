"""The page in a real headless Chromium: what a person does with it, by mouse and by keys, and what it must not do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from client.serve import api_chat
from client.serve.page_api import PAGE
from client.vault.errors import VaultLockedError
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from shared.conversation import Conversation
from shared.language_model import LanguageModel, ModelConfig, load_language_model
from tests.client.serve.browser import (
    EVIL,
    TOKEN,
    Served,
    Watched,
    answered,
    chromium,
    known,
    needs_chromium,
    opened,
    paired,
    served,
    slow_down,
    talked,
)
from tests.client.serve.seeing import contrast_problems, focus_problems, nameless
from tests.tiny import message

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_chromium
VIEWS = ("chat", "persona", "pairs", "privacy", "settings")
Home = Callable[..., Served]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load_language_model(ModelConfig())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies of at most this length."""
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 40)


@pytest.fixture
def at(tmp_path: Path, model: LanguageModel) -> Iterator[Served]:
    with served(tmp_path / "home", model) as running:
        yield running


@pytest.fixture
def tuned(tmp_path: Path, model: LanguageModel) -> Iterator[Served]:
    with served(tmp_path / "home", model, tuned=True) as running:
        yield running


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Enter")
    page.locator(".talk > li:last-child .again").wait_for()


def go(page: Page, view: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=view.capitalize()).click()
    page.locator(f"body[data-place='{view}'] main:not([aria-busy]) h1").wait_for()


def test_a_chat_streams_is_kept_and_consent_is_asked_for_once(
    browser: Browser, at: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch)
    with opened(browser, at) as watched:
        page = watched.page
        assert page.url == f"{at.url}/#/chat"
        assert TOKEN not in page.evaluate("() => [document.cookie, document.documentElement.outerHTML].join()")
        page.evaluate(
            """() => {
                window.lengths = new Set(); window.told = [];
                new MutationObserver(() => document.querySelectorAll(".writing").forEach(
                    (one) => window.lengths.add(one.textContent.length))).observe(
                    document.getElementById("main"), {childList: true, subtree: true});
                new MutationObserver(() => window.told.push(document.getElementById("said").textContent)).observe(
                    document.getElementById("said"), {childList: true});
            }"""
        )
        say(page, "How do I grow basil in clay soil?")
        (kept,) = at.vault.conversations
        reply = kept.messages[1].content
        assert cast(int, page.evaluate("window.lengths.size")) >= 3  # it grew
        page.wait_for_function("() => window.told.some((said) => said.startsWith('Tacit: '))")
        told = [said for said in cast(list[str], page.evaluate("window.told")) if said]
        assert told == [f"Tacit: {reply}"]  # once, whole
        assert page.get_by_role("heading", level=1).inner_text() == "How do I grow basil in clay soil?"

        asks = page.locator("[data-asks=chats]")
        assert at.vault.consents.granted("chats") is None
        asks.get_by_role("button", name="Yes, it may").click()
        asks.get_by_text("Thank you").wait_for()
        assert at.vault.consents.granted("chats") is True

        page.reload()
        page.locator(".talk > li").nth(1).wait_for()
        say(page, "Shorter, please.")
        assert page.locator(".asks").count() == 0
        assert len(at.vault.conversations.get(kept.conversation_id).messages) == 4
        listed = page.get_by_role("navigation", name="Conversations").locator(".name")
        assert listed.all_text_contents() == [kept.messages[0].content]


def test_escape_stops_a_reply_and_nothing_of_it_is_kept(
    browser: Browser, at: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch)
    with opened(browser, at) as watched:
        page = watched.page
        page.get_by_label("Your message").fill("Tell me about basil.")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelector('.writing')?.textContent.length > 5")
        page.keyboard.press("Escape")
        page.get_by_text("Stopped. Nothing of this was kept.").first.wait_for()
        assert page.get_by_label("Your message").input_value() == "Tell me about basil."
        monkeypatch.undo()
        assert len(at.vault.conversations) == 0
        say(page, "Tell me about bread.")
        assert page.locator(".talk > li").count() == 2  # what was stopped is gone from sight as well
        assert len(at.vault.conversations) == 1


def test_a_private_chat_is_kept_nowhere(browser: Browser, at: Served) -> None:
    with opened(browser, at) as watched:
        page = watched.page
        page.get_by_role("switch", name="Private chat").check()
        page.get_by_label("Your message").fill("zebra one")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('said').textContent.startsWith('Tacit')")
        page.get_by_label("Your message").fill("zebra two")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "() => document.querySelectorAll('.talk > li').length === 4 && !document.querySelector('.writing')"
        )
        assert page.locator(".asks").count() == 0
        assert len(at.vault.conversations) == 0
        assert "zebra" not in cast(str, page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])"))


def test_another_reply_and_keeping_a_conversation_out_of_learning(browser: Browser, at: Served) -> None:
    (name,) = talked(at.vault, conversations=1)
    with opened(browser, at) as watched:
        page = watched.page
        page.get_by_role("navigation", name="Conversations").get_by_role("link", name="Could you explain").click()
        old = page.locator(".talk > li:last-child .words").inner_text()
        page.get_by_role("button", name="Another reply").click()
        page.wait_for_function("() => document.getElementById('said').textContent.startsWith('Tacit')")
        assert page.locator(".talk > li:last-child .words").inner_text() != old
        assert len(at.vault.choices) == 1
        page.get_by_role("button", name="Never learn from this").click()
        page.get_by_role("dialog", name="Never learn from this conversation?").get_by_role(
            "button", name="Never learn from it"
        ).click()
        page.get_by_text("Private: nothing is learned").wait_for()
        assert at.vault.conversations.facts(name).private


def test_a_blind_vote_makes_a_pair_and_a_win_rate(browser: Browser, tuned: Served) -> None:
    with opened(browser, tuned) as watched:
        page = watched.page
        answers: list[str] = []
        page.on("response", lambda got: answers.append(got.text()) if got.url.endswith("/api/ab") else None)
        page.get_by_label("Your message").fill("How do I grow basil?")
        page.get_by_role("button", name="Compare two replies").click()
        first = page.get_by_role("region", name="Reply 1")
        first.wait_for()
        assert len(tuned.vault.conversations) == 0
        # Neither what came nor what stands there says which is which.
        assert len(answers) == 1
        assert not re.search("tuned|base|learn", answers[0])
        assert not re.search("tuned|base", page.locator(".comparison").inner_html())
        texts = [page.get_by_role("region", name=f"Reply {side}").locator(".words").inner_text() for side in (1, 2)]
        page.get_by_role("button", name="Reply 1 is better").click()
        page.get_by_text("You chose the reply").first.wait_for()

        (kept,) = tuned.vault.pairs.every()
        counts = tuned.vault.votes.counts()
        assert kept.pair.origin == "vote"
        assert plain(kept.pair.chosen[0].content) == plain(texts[0])
        assert plain(kept.pair.rejected[0].content) == plain(texts[1])
        assert counts.tuned + counts.base == 1
        said = "that has learned" if counts.tuned else "from before it learned"
        assert page.get_by_text(f"You chose the reply {'of the assistant ' if counts.tuned else ''}{said}").count()
        (conversation,) = tuned.vault.conversations
        assert conversation.messages[1] == kept.pair.chosen[0]
        assert page.get_by_text("in 100% of 1 comparison" if counts.tuned else "in 0% of 1 comparison").count() == 1
        assert (
            "21% and 100%" in page.locator(".rate").inner_text() or "0% and 79%" in page.locator(".rate").inner_text()
        )

        # It waits until votes and chats may be learned from; each is asked about by itself.
        for source in ("chats", "votes"):
            assert tuned.vault.pairs.trainable() == ()
            assert page.locator(".asks").count() == 1
            page.locator(f"[data-asks={source}]").get_by_role("button", name="Yes, it may").click()
            page.locator(f"[data-asks={source}]").get_by_text("Thank you").wait_for()
        assert [one.number for one in tuned.vault.pairs.trainable()] == [kept.number]


def test_two_replies_that_are_the_same_are_a_tie_without_asking(browser: Browser, tuned: Served) -> None:
    stream = tuned.assistant.stream
    tuned.assistant.stream = lambda *said, tuned=True, **rest: stream(*said, tuned=True, **rest)  # type: ignore[method-assign]
    with opened(browser, tuned) as watched:
        page = watched.page
        page.get_by_label("Your message").fill("How do I grow basil?")
        page.get_by_role("button", name="Compare two replies").click()
        page.get_by_text("Both replies were the same").wait_for()
        assert tuned.vault.votes.counts().tie == 1
        assert len(tuned.vault.pairs) == 0


def test_a_comparison_without_a_vote_is_thrown_away(browser: Browser, tuned: Served) -> None:
    with opened(browser, tuned) as watched:
        page = watched.page
        page.get_by_label("Your message").fill("How do I grow basil?")
        page.get_by_role("button", name="Compare two replies").click()
        page.get_by_role("button", name="Throw both away").click()
        assert page.get_by_label("Your message").input_value() == "How do I grow basil?"
        assert (len(tuned.vault.conversations), tuned.vault.votes.counts().tie) == (0, 0)


def test_the_persona_is_edited_with_its_evidence_at_hand(browser: Browser, at: Served) -> None:
    names = talked(at.vault, conversations=2)
    known(at.vault, names, "Likes short answers.", "Bakes bread at weekends.")

    def stated() -> list[str]:
        return [one.text for one in at.vault.personas.load().persona().statements]

    with opened(browser, at) as watched:
        page = watched.page
        go(page, "persona")
        card = page.get_by_role("listitem").filter(has_text="Likes short answers.")
        card.get_by_text("Where this comes from").click()
        card.get_by_role("button", name="Show what you said").click()
        card.locator("blockquote").wait_for()
        assert card.locator("blockquote").inner_text() == "Please keep it short and plain, I am new to this."
        assert card.get_by_role("link").get_attribute("href") == f"#/chat/{names[0].replace(':', '%3A')}"

        page.get_by_label("Tell Tacit something about you").fill("Prefers metric units.")
        page.keyboard.press("Enter")
        page.get_by_text("You wrote this.").wait_for()
        card.get_by_role("button", name="Not true: strike out").click()
        page.get_by_role("button", name="Allow again").wait_for()
        page.get_by_role("button", name="Keep as it is").click()
        page.get_by_role("button", name="Let it change again").wait_for()
        assert set(stated()) == {"Prefers metric units.", "Bakes bread at weekends."}
        assert all(one.locked for one in at.vault.personas.load().persona().statements)
        page.get_by_role("button", name="Allow again").click()
        page.get_by_role("button", name="Allow again").wait_for(state="detached")
        assert "Likes short answers." in stated()


def test_a_pair_is_inspected_corrected_and_dropped(browser: Browser, at: Served) -> None:
    numbers = paired(at.vault, talked(at.vault, conversations=2))
    with opened(browser, at) as watched:
        page = watched.page
        go(page, "pairs")
        page.get_by_text("No pair may be used for learning. 2 others wait").wait_for()
        page.locator(".pairs summary").first.click()
        card = page.locator(f"[data-number='{numbers[1]}']")
        card.get_by_role("region", name="Better").wait_for()
        assert card.get_by_role("region", name="Better").locator("li").all_inner_texts() == [
            "it eats sugar",
            "the dough rises",
        ]
        card.get_by_role("button", name="Correct the better reply").click()
        card.get_by_label("What should have been said").fill("Frame first.")
        card.get_by_role("button", name="Save").click()
        card.get_by_text("corrected by you").wait_for()
        assert at.vault.pairs.get(numbers[1]).pair.chosen[0].content == "Frame first."

        card.get_by_role("button", name="Drop").click()
        page.get_by_role("dialog", name="Drop this pair?").get_by_role("button", name="Drop it").click()
        card.get_by_text("dropped").wait_for()
        assert at.vault.pairs.get(numbers[1]).state == "dropped"
        page.get_by_role("button", name="Dropped (1)").click()
        page.wait_for_function("() => document.querySelectorAll('.pairs > li').length === 1")


def test_the_ledger_is_drawn_and_the_switch_holds(browser: Browser, at: Served) -> None:
    answered(at.profile, rounds=6)
    with opened(browser, at) as watched:
        page = watched.page
        go(page, "privacy")
        figure = page.get_by_role("region", name="How much could be learned about you")
        total = figure.locator(".number").first.inner_text()
        assert figure.locator("tbody tr").last.locator("td").nth(3).inner_text() == total.removeprefix("ε = ")
        path = cast(str, figure.locator("svg path.line.user").get_attribute("d"))
        heights = [float(height) for height in re.findall(r"V ([\d.]+)", path)]
        assert len(heights) == 6
        assert heights == sorted(heights, reverse=True)  # ε only grows
        limit = float(cast(str, figure.locator("svg line.limit.user").get_attribute("y1")))
        assert limit < heights[-1]  # below the limit still
        assert figure.get_by_text("your limit for you as a whole: 8.00").count() == 1
        assert "noise multiplier" in page.get_by_role("region", name="Declined").inner_text()

        page.get_by_role("button", name="Pause").click()
        page.get_by_role("heading", name="Paused").wait_for()
        assert at.vault.taking_part.state() == "paused"
        page.get_by_role("button", name="Leave").click()
        page.get_by_role("dialog", name="Leave for good?").get_by_role("button", name="Leave").click()
        page.get_by_role("heading", name="You have left").wait_for()
        assert at.vault.taking_part.state() == "left"


def test_a_conversation_is_forgotten_and_what_that_cannot_do_is_said(browser: Browser, at: Served) -> None:
    names = talked(at.vault, conversations=2)
    paired(at.vault, names)
    at.vault.back_up(at.profile.home / "old.backup", "a passphrase")
    with opened(browser, at) as watched:
        page = watched.page
        page.get_by_role("navigation", name="Conversations").get_by_role("link", name="Could you explain").click()
        page.get_by_role("button", name="Forget").click()
        page.keyboard.press("Escape")
        page.wait_for_function("() => document.activeElement.textContent === 'Forget'")  # back where it was
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Forget it").click()
        told = page.get_by_role("dialog", name="Forgotten")
        told.wait_for()
        text = told.inner_text()
        assert "4 messages destroyed" in text
        assert "1 pair" in text
        assert "old.backup" in text
        assert "Updates that servers have already aggregated cannot be taken back" in text
        told.get_by_role("button", name="Close").click()
        assert at.vault.conversations.forgotten(names[0])
        page.get_by_role("link", name="Could you explain").wait_for(state="detached")


def test_everything_is_forgotten_after_the_word_was_typed(browser: Browser, at: Served) -> None:
    talked(at.vault)
    with opened(browser, at) as watched:
        page = watched.page
        go(page, "settings")
        page.get_by_role("button", name="Forget everything").click()
        dialog = page.get_by_role("dialog", name="Forget everything?")
        sure = dialog.get_by_role("button", name="Forget everything")
        assert sure.is_disabled()
        assert "cannot be taken back" in dialog.inner_text()
        dialog.get_by_label("to go on").fill("forget")
        sure.click()
        page.get_by_role("heading", name="Everything is forgotten").wait_for()
        at.thread.join(20)
        assert at.has_stopped
        assert page.evaluate("sessionStorage.length") == 0
    with pytest.raises(VaultLockedError):
        Vault.open(at.profile.vault_directory, KeyFile(at.profile.home / "vault.key"))


def test_no_text_is_ever_more_than_text(browser: Browser, at: Served) -> None:
    talk = (
        message("user", EVIL),
        message("assistant", f"{EVIL}\n\n- {EVIL}\n- **{EVIL}**\n\n```\n{EVIL}\n```\n# {EVIL}"),
    )
    at.vault.conversations.put(Conversation(conversation_id="chat:evil", messages=(*talk, *talk)), source="chats")
    known(at.vault, ["chat:evil"], EVIL[:190])
    paired(at.vault, ["chat:evil"], worse=EVIL)
    at.vault.personas.save(at.vault.personas.load().write(f"I am {EVIL}"[:200]))
    answered(at.profile, rounds=1)
    with opened(browser, at) as watched:
        page = watched.page
        page.get_by_role("navigation", name="Conversations").get_by_role("link").nth(1).click()
        page.locator(".talk > li").nth(3).wait_for()
        assert page.locator(".talk li li").count() == 4  # Markdown was made of it all the same
        assert page.locator(".talk .user .words").first.inner_text() == EVIL
        for view in VIEWS:
            go(page, view)
            for summary in page.locator("main summary").all():
                summary.click()
            for show in page.get_by_role("button", name="Show what you said").all():
                show.click()
            page.wait_for_timeout(100)
            assert EVIL[:10] in page.locator("body").inner_text()
            assert page.locator("main img, main script, main iframe, main [onerror]").count() == 0
            assert "broken" not in page.title()


def test_the_pages_code_parses_no_markup_and_knows_no_other_place() -> None:
    files = [path for path in PAGE.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".js", ".css", ".svg"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
            r"|\beval\(|new Function",
            text,
        ), path.name
        places = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)) - {"http://www.w3.org"}
        assert places == set(), path.name
        assert not re.search(r"<(?:style|script)>|\son\w+=|style=", text) or path.suffix == ".js", path.name
    names = {path.name for path in files}
    for path in files:
        for wanted in re.findall(r"""(?:from "\./|"/page/)([\w.]+)""", path.read_text(encoding="utf-8")):
            assert wanted in names


def test_without_the_token_the_page_asks_for_it_and_shows_nothing(browser: Browser, at: Served) -> None:
    talked(at.vault)
    page = browser.new_page()
    try:
        page.goto(at.url)
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        assert "does not fit" in page.get_by_role("alert").inner_text()
        assert "bread" not in page.content()
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Could you explain").wait_for()
        assert TOKEN not in page.url
        page.goto(f"{at.url}/#/settings")
        page.get_by_role("button", name="Lock this window").click()
        page.get_by_label("Token").wait_for()
    finally:
        page.close()


def test_a_code_opens_the_page_once_and_no_address_holds_the_token(browser: Browser, at: Served) -> None:
    code = at.codes.make()
    for address, opens in ((f"#code={code}", True), (f"#code={code}", False), (f"#token={TOKEN}", False)):
        context = browser.new_context()
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))  # noqa: B023 - its page is closed below
        page.goto(f"{at.url}/{address}")
        (page.locator("#frame h1").first if opens else page.get_by_label("Token")).wait_for()
        assert "code" not in page.url
        assert all(TOKEN not in url and code not in url.partition("#")[0] for url in asked)
        context.close()


def test_chat_and_vote_by_keyboard_alone(browser: Browser, tuned: Served) -> None:
    with opened(browser, tuned) as watched:
        page = watched.page
        focused = "document.activeElement.textContent || document.activeElement.id"

        def tab_to(text: str, key: str = "Tab") -> None:
            for _ in range(30):
                if text in cast(str, page.evaluate(focused)):
                    return
                page.keyboard.press(key)
                assert focus_problems(page) == []
            raise AssertionError(f"Tab does not reach {text!r}")

        tab_to("Skip to content", "Shift+Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        assert page.url.endswith("#/chat")
        tab_to("message-")
        page.keyboard.type("How do I grow basil?")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("In clay.")
        tab_to("Compare two replies")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Reply 2 is better").wait_for()
        assert page.evaluate(focused) == "Which reply is better for you?"
        tab_to("Reply 2 is better")
        page.keyboard.press("Enter")
        page.wait_for_function(f"() => ({focused}).startsWith('You chose')")
        (conversation,) = tuned.vault.conversations
        assert conversation.messages[0].content == "How do I grow basil?\nIn clay."
        assert len(tuned.vault.pairs) == 1
        tab_to("Yes, it may")
        page.keyboard.press("Enter")
        page.get_by_text("Thank you").first.wait_for()


@pytest.fixture
def full(tuned: Served) -> Served:
    """Something in every view."""
    names = talked(tuned.vault, conversations=3)
    known(tuned.vault, names, "Likes short answers.", "Bakes bread at weekends.")
    tuned.vault.personas.save(tuned.vault.personas.load().strike(1))
    tuned.vault.pairs.drop(paired(tuned.vault, names)[0])
    tuned.vault.votes.add(names[0], turn=2, tuned_first=True, outcome="tuned")
    answered(tuned.profile, rounds=3)
    return tuned


def every_view(watched: Watched) -> Iterator[str]:
    """Shows each view with all that can be opened in it."""
    page = watched.page
    for view in VIEWS:
        go(page, view)
        for summary in page.locator("main summary").all():
            if not cast(bool, summary.evaluate("one => one.parentElement.open")):
                summary.click()
        if view == "pairs":
            page.locator(".pairs .inside h3").first.wait_for()
            page.get_by_role("button", name="Correct the better reply").first.click()
        if view == "chat":
            page.get_by_role("navigation", name="Conversations").get_by_role("link").nth(1).click()
            page.locator(".talk > li").first.wait_for()
        yield view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_can_be_read(browser: Browser, full: Served, scheme: str) -> None:
    with opened(browser, full, color_scheme=scheme) as watched:
        background = watched.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert background == {"light": "rgb(246, 244, 239)", "dark": "rgb(22, 21, 18)"}[scheme]
        for view in every_view(watched):
            assert nameless(watched.page) == [], view
            assert contrast_problems(watched.page) == [], view
        watched.page.get_by_role("button", name="Forget everything").click()
        watched.page.get_by_role("dialog").wait_for()
        assert nameless(watched.page) == []
        assert contrast_problems(watched.page) == []


def test_nothing_runs_over_the_edge_of_a_narrow_screen(browser: Browser, full: Served) -> None:
    with opened(browser, full, viewport={"width": 360, "height": 700}, reduced_motion="reduce") as watched:
        page = watched.page
        page.get_by_text("Conversations (3)").click()
        for view in every_view(watched):
            for place in ("documentElement", "querySelector('main')"):
                room = cast(list[int], page.evaluate(f"[document.{place}.scrollWidth, document.{place}.clientWidth]"))
                assert room[0] <= room[1], (view, place)
            moving = "[...document.getAnimations()].filter((one) => one.effect.getTiming().duration > 1).length"
            assert page.evaluate(moving) == 0


@pytest.mark.slow
def test_learning_now_shows_how_far_it_is_and_what_came_of_it(browser: Browser, at: Served) -> None:
    talked(at.vault, conversations=3)
    with opened(browser, at) as watched:
        page = watched.page
        go(page, "settings")
        page.get_by_role("switch", name="Your chats here").check()
        go(page, "pairs")
        page.get_by_role("button", name="Learn now").click()
        page.get_by_role("progressbar", name="Learning").wait_for()
        page.get_by_role("heading", name="Last time").wait_for(timeout=200_000)
        assert "2 conversations may be learned from" in page.get_by_role("region", name="Learning").inner_text()


def plain(text: str) -> str:
    """Without white space and marks of lists, which a browser shows in its own way."""
    return re.sub(r"[\s*•-]|^\d+\.", "", text)
