"""The page in a real headless Chromium: chats, blind votes, private chats."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import pytest

from tests.client.serve.browser import (
    TOKEN,
    Served,
    needs_chromium,
    opened,
    slow_down,
    talked,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser
from tests.client.serve.page.acting import plain, say

pytestmark = needs_chromium


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
