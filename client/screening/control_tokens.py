"""Chat-template control tokens in a text that somebody else wrote.

`shared.chat_format.ChatFormat` keeps them from becoming tokens of the model at hand, whoever wrote them. A text that
holds them, of whatever family of models, was still written to forge the turns of another: that is what is told here.
"""

from __future__ import annotations

import re

# Forms in the wild: <|name|> (ChatML, Llama 3, Phi, tacit-tiny), <｜name｜> (DeepSeek), <s>, </s>, <bos>, <pad> and
# their like, <start_of_turn> (Gemma), [INST], <<SYS>> (Llama 2, Mistral), <extra_id_0>, <unused1>, <0x0A>.
_BAR = "[|｜\u2502\uffe8]"
_OPEN = "[<＜\ufe64]"
_CLOSE = "[>＞\ufe65]"
_UNSEEN = "[\u00ad\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]{0,4}"
_NAME = r"[^\s<>＜＞|｜](?:[^\n<>＜＞|｜]{0,60}[^\s<>＜＞|｜])?"
_NAMES = (
    r"/?s|bos|eos|pad|unk|cls|sep|mask|sop|eop|sep_token|start_of_turn|end_of_turn|start_of_image|end_of_image|tool_calls?"
    r"|end_of_utterance|fake_token_around_image|extra_id_\d{1,3}|unused\d{1,4}|reserved_\d{1,4}|0x[0-9A-Fa-f]{2}|PRE|SUF"
    r"|start_header_id|end_header_id|endoftext|im_start|im_end|fim_(?:prefix|middle|suffix|pad)|MID|EOT"
)
_BRACKETED = (
    r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG|IMG_END|PREFIX|SUFFIX|MIDDLE)"
    r"|CLS|SEP|MASK|PAD|UNK|BOS|EOS|gMASK|sMASK"
)
_CONTROL = re.compile(
    rf"{_OPEN}{_UNSEEN}{_BAR}{_UNSEEN}{_NAME}{_UNSEEN}{_BAR}{_UNSEEN}{_CLOSE}"
    rf"|{_OPEN}(?:{_NAMES}){_CLOSE}|\[(?:{_BRACKETED})\]|{_OPEN}{_OPEN}/?(?:SYS|SYSTEM){_CLOSE}{_CLOSE}",
    re.IGNORECASE,
)


def has_control_tokens(text: str) -> bool:
    """Whether `text` holds what some model family's tokenizer takes for a control token, also with characters between
    that do not show, or in full width."""
    return _CONTROL.search(text) is not None
