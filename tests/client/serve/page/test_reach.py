"""The page in a real headless Chromium: texts that mean harm, tokens, keys, eyes and narrow screens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from client.serve.page_api import PAGE
from shared.conversation import Conversation
from tests.client.serve.browser import (
    EVIL,
    TOKEN,
    Served,
    Watched,
    answered,
    known,
    needs_chromium,
    opened,
    paired,
    talked,
)
from tests.client.serve.seeing import contrast_problems, focus_problems, nameless
from tests.tiny import message

if TYPE_CHECKING:
    from playwright.sync_api import Browser
from tests.client.serve.page.acting import go

pytestmark = needs_chromium


VIEWS = ("chat", "persona", "pairs", "privacy", "settings")


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
