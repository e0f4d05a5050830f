"""The page in a real headless Chromium: persona, pairs, the ledger, learning and forgetting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import pytest

from client.vault.errors import VaultLockedError
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from tests.client.serve.browser import (
    Served,
    answered,
    known,
    needs_chromium,
    opened,
    paired,
    talked,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser
from tests.client.serve.page.acting import go

pytestmark = needs_chromium


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
