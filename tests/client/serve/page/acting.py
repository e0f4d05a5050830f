"""What a person does on the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def say(page: Page, text: str) -> None:
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Enter")
    page.locator(".talk > li:last-child .again").wait_for()


def go(page: Page, view: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=view.capitalize()).click()
    page.locator(f"body[data-place='{view}'] main:not([aria-busy]) h1").wait_for()


def plain(text: str) -> str:
    """Without white space and marks of lists, which a browser shows in its own way."""
    return re.sub(r"[\s*•-]|^\d+\.", "", text)
