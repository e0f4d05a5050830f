"""What a person without eyes, or with weak ones, meets on a page: names, contrast and focus, read from the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from playwright.sync_api import Page

_NAMED = {
    "button", "link", "textbox", "checkbox", "switch", "radio", "combobox", "image", "img", "dialog", "region", "form",
    "navigation", "progressbar", "DisclosureTriangle", "heading", "searchbox",
}  # fmt: skip


def nameless(page: Page) -> list[str]:
    """Roles of what a screen reader meets and cannot name, from the browser's own accessibility tree."""
    session = page.context.new_cdp_session(page)
    try:
        nodes = cast(list[dict[str, object]], session.send("Accessibility.getFullAXTree")["nodes"])
    finally:
        session.detach()
    found, seen = [], 0
    for node in nodes:
        role = cast(dict[str, str], node.get("role") or {}).get("value", "")
        if node.get("ignored") or role not in _NAMED:
            continue
        seen += 1
        if not str(cast(dict[str, object], node.get("name") or {}).get("value", "")).strip():
            found.append(role)
    assert seen > 5  # the tree was read
    return found


# WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for text of 24 px, or of 18.66 px and bold. What is disabled is left out.
_CONTRAST = """() => {
  const channels = (color) => {
    const numbers = color.match(/[\\d.]+/g).map(Number);
    if (color.startsWith("color(srgb")) return [...numbers.slice(0, 3).map((one) => 255 * one), numbers[3] ?? 1];
    return [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const over = (top, under) => top.slice(0, 3).map((one, at) => one * top[3] + under[at] * (1 - top[3]));
  const light = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(channels(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const said = walker.currentNode.textContent.trim();
    const shown = element.closest("[hidden], .unseen, noscript, .skip, :disabled");
    if (!said || shown || !element.checkVisibility({ visibilityProperty: true })) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const isSvg = element instanceof SVGElement;
    const under = behind(isSvg ? element.closest("svg").parentElement : element);
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= Number(getComputedStyle(one).opacity);
    const ink = channels(isSvg ? style.fill : style.color);
    const contrast = ratio(light(over([...ink.slice(0, 3), ink[3] * opacity], under)), light(under));
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (contrast < least) found.push(`${contrast.toFixed(2)} ${said.slice(0, 40)}`);
  }
  for (const field of document.querySelectorAll("input, textarea, button")) {
    const style = getComputedStyle(field);
    const isPlain = style.borderTopWidth === "0px" || field.classList.contains("quiet");
    if (field.disabled || isPlain || !field.checkVisibility()) continue;
    const under = behind(field.parentElement);
    const fill = behind(field);
    const edge = light(over(channels(style.borderTopColor), fill));
    const most = Math.max(ratio(edge, light(under)), ratio(light(fill), light(under)));
    if (most < 3) found.push(`edge of ${field.outerHTML.slice(0, 60)}`);
  }
  return { found, texts };
}"""


def contrast_problems(page: Page) -> list[str]:
    """Texts that are too faint on what is behind them, and fields and buttons whose edge is."""
    seen = cast(dict[str, object], page.evaluate(_CONTRAST))
    assert cast(int, seen["texts"]) > 5
    return cast(list[str], seen["found"])


_FOCUS = """() => {
  const seen = (one) => {
    const style = one && getComputedStyle(one);
    return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };
  const now = document.activeElement;
  if (now === document.body) return [];
  return seen(now) || seen(now.closest("form")) ? [] : [now.outerHTML.slice(0, 80)];
}"""


def focus_problems(page: Page) -> list[str]:
    """What has the focus and does not show it."""
    return cast(list[str], page.evaluate(_FOCUS))
