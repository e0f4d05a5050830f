"""Chat-template control tokens in untrusted text: found, and taken the force of.

A tokenizer reads `<|im_start|>` or `<|end|>` inside a message as the very token that ends or begins a turn
(`shared.chat_format` renders a conversation to text and tokenises the whole), so a message that holds one can forge
turns of the system or of the assistant. `neutralise_control_tokens` is for text that others wrote, before it becomes a
`shared.conversation.Message`: it puts a space after the first character of every such token. The words stay legible, and
no tokenizer takes them for a token.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

# Forms in the wild: <|name|> (ChatML, Llama 3, Phi, tacit-tiny), <｜name｜> (DeepSeek), <s>, </s>, <bos>, <pad> and their
# like, <start_of_turn> (Gemma), [INST], <<SYS>> (Llama 2, Mistral), <extra_id_0>, <unused1>, <0x0A>.
_BAR = "[|｜\u2502\uffe8]"
_OPEN = "[<＜\ufe64]"
_CLOSE = "[>＞\ufe65]"
_INSIDE = "[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]"
_NAMES = (
    r"/?s|bos|eos|pad|unk|cls|sep|mask|sop|eop|sep_token|start_of_turn|end_of_turn|start_of_image|end_of_image|tool_calls?|"
    r"end_of_utterance|fake_token_around_image|extra_id_\d{1,3}|unused\d{1,4}|reserved_\d{1,4}|0x[0-9A-Fa-f]{2}|"
    r"start_header_id|end_header_id|endoftext|im_start|im_end|fim_(?:prefix|middle|suffix|pad)"
)
_BRACKETED = r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG|IMG_END|PREFIX|SUFFIX|MIDDLE)"
_CONTROL = re.compile(
    rf"{_OPEN}{_INSIDE}{{0,4}}{_BAR}{_INSIDE}{{0,4}}[^\s<>＜＞|｜](?:[^\n<>＜＞|｜]{{0,60}}[^\s<>＜＞|｜])?{_INSIDE}{{0,4}}{_BAR}{_INSIDE}{{0,4}}{_CLOSE}"
    rf"|{_OPEN}(?:{_NAMES}){_CLOSE}"
    rf"|\[(?:{_BRACKETED}|CLS|SEP|MASK|PAD|UNK|BOS|EOS|gMASK|sMASK)\]"
    rf"|{_OPEN}{_OPEN}/?(?:SYS|SYSTEM){_CLOSE}{_CLOSE}"
    r"|▁?<(?:PRE|SUF|MID|EOT)>",
    re.IGNORECASE,
)


def has_control_tokens(text: str) -> bool:
    """Whether `text` holds what some model family's tokenizer takes for a control token, also if disguised."""
    return _CONTROL.search(text) is not None


def neutralise_control_tokens(text: str, *, control_tokens: Collection[str] = ()) -> str:
    """`text` with a space after the first character of every control token; other text is unchanged.

    Text that holds none comes back as it was, and what comes back holds none (so twice is as once).

    Args:
        text: what somebody else wrote.
        control_tokens: the special tokens of the model that will read it, beyond the usual forms.

    Raises:
        ValueError: a control token of fewer than two characters, which no space can break.
    """
    pattern = _pattern(frozenset(control_tokens))
    while True:
        broken = pattern.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)
        if broken == text:
            return text
        text = broken  # a space may have joined what stood around it to another token, of a model that has such


@lru_cache(maxsize=8)
def _pattern(control_tokens: frozenset[str]) -> re.Pattern[str]:
    if any(len(token) < 2 for token in control_tokens):
        raise ValueError("a control token must have at least two characters")
    if not control_tokens:
        return _CONTROL
    named = "|".join(re.escape(token) for token in sorted(control_tokens, key=len, reverse=True))
    return re.compile(f"{named}|{_CONTROL.pattern}", _CONTROL.flags)
