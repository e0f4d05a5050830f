"""Injection: text that instructs the pipeline instead of asking for help.

Two uses: a filter on conversations imported from elsewhere, and a rate to report. The signs are signs, not proof: text
about prompt injection shows them too, and an instruction without the usual words shows none. A user's ordinary requests
("rewrite that in a friendlier tone", "act as my teacher", "ignore my last message") are meant to show none.

`HIDDEN_TEXT`, `CONTROL_TOKEN` and `BEACON` are told by their form in any language; the others by words in English,
German, Japanese and Arabic.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache

from client.screening.control_tokens import has_control_tokens
from client.screening.folding import fold
from client.screening.phrases import Phrases, compile_phrases
from client.screening.tables import exfiltration, label_steering, override, reply_steering, takeover


class InjectionSign(StrEnum):
    """What in a text addresses the pipeline.

    OVERRIDE: setting instructions aside. TAKEOVER: another identity for the model. ROLE_MARKER: the marks of another
    turn. CONTROL_TOKEN: a chat template's own tokens. HIDDEN_TEXT: characters or markup that a reader does not see.
    EXFILTRATION: getting out a prompt, a conversation or secrets. BEACON: an image or link that carries data out when
    it is shown. LABEL_STEERING: dictating a label, score or choice. REPLY_STEERING: planting links, products or demands
    in replies.
    """

    OVERRIDE = "override"
    TAKEOVER = "takeover"
    ROLE_MARKER = "role_marker"
    CONTROL_TOKEN = "control_token"  # noqa: S105
    HIDDEN_TEXT = "hidden_text"
    EXFILTRATION = "exfiltration"
    BEACON = "beacon"
    LABEL_STEERING = "label_steering"
    REPLY_STEERING = "reply_steering"


_ROLE = (
    r"system|assistant|user|human|ai|bot|developer|model|admin(?:istrator)?"
    r"|system (?:message|notice|prompt|instruction|note|update)"
    r"|assistent|benutzer|nutzer|systemnachricht|anweisung|システム|アシスタント|ユーザー|指示|システムメッセージ|システムプロンプト"
    r"|النظام|نظام|المساعد|المستخدم|رسالة النظام|التعليمات|تعليمات"
)
_AUTHORITY = (
    r"system|assistant|ai|developer|admin(?:istrator)?|system (?:message|notice|prompt|instruction|note|update)"
    r"|assistent|systemnachricht|システム|アシスタント|システムメッセージ|النظام|نظام|المساعد|رسالة النظام"
)
_ROLE_MARKERS = (
    # a line that begins with a role that a user has not: "System: ..."; or a turn and another one
    rf"^[ \t>*_\"']{{0,8}}(?:{_AUTHORITY})[*_]{{0,2}} ?[:：](?!//|\S*[=({{])[*_]{{0,2}}(?:[ \t]*\S|[ \t]*\Z)",
    r"^[ \t>*]{0,6}(?:human|user|ユーザー|المستخدم|benutzer|nutzer)[*]{0,2} ?[:：] ?\S[^\n]{0,2000}\n[ \t>*]{0,6}"
    r"(?:assistant|ai|bot|model|アシスタント|المساعد|assistent)[*]{0,2} ?[:：]",
    r"^[ \t]{0,4}(?:human) ?: ?\S",
    # "### Instruction:", "# System", "[system]", "(system message: ...)", "<<SYSTEM>>", 【システム】
    rf"^[ \t]{{0,4}}#{{1,6}} ?(?:{_ROLE}|instructions?|response|input)\b ?[:：]?[ \t]*$",
    rf"[\[(【<]{{1,2}}(?:{_AUTHORITY})\b[^\]\n)】>]{{0,40}}[\])】>]{{1,2}}",
    r"<\|role\|",
    r"[\"']?role[\"']? ?[:=] ?[\"']?(?:system|assistant|developer)\b",
    r"</?(?:system|assistant|developer|user_message|system_prompt|system_message|instructions?|user_input|human|im_start)"
    r"(?:_\w{1,20})?>",
    # the end of what the user may say
    r"(?:begin|end|start|ende|stop)(?: of| der| des|ning of)?(?: the| this| new| user| admin| system){0,3}"
    r" (?:user )?(?:input|prompt|message|conversation|instructions?|system prompt|admin message|context|document"
    r"|benutzereingabe|eingabe)\b[^\n]{0,60}(?:---|===|\]|\n|:)",
    r"(?:---|===|\*\*\*|\[{1,2})[ \t]{0,4}(?:begin|end|start|new|system|admin|stop)\b"
    r"[^\n]{0,40}(?:input|prompt|message|notice|instruction|conversation|system|override)",
    r"[.!]\s{1,4}system ?: ",
)

# Layers over letters that no spelling needs: overrides of direction, tags, and what does not show among Latin letters.
_UNSEEN = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200d\u2060-\u2064\u3164\ufeff\uffa0"
_HIDDEN_CHARACTERS = (
    "[\u202d\u202e\u2062-\u2064]",
    "(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0000-\U000e007f]",
    "[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2}",
    f"(?<=[A-Za-z0-9])[{_UNSEEN}]{{1,8}}(?=[A-Za-z0-9])",
    "[\u200b\u200c\u200d\u2060\ufeff]{3}",
    "[\u3164\u115f\u1160\uffa0\u2800]{2}",
    "[\ufe00-\ufe0e\U000e0100-\U000e01ef](?=[A-Za-z0-9])",
)
_ADDRESSED = (
    r"(?:assistant|\bai\b|model|instruct|ignore|obey|system|prompt|persona|reply|respond|label|rate this|approve|comply"
    r"|feedback|leak|hidden|secret|anweis|指示|システム|تعليمات|النظام)"
)
# Each begins with what it may not hold further on, so that a search takes time linear in the text.
_HIDDEN_MARKUP = (
    rf"<!--[^<>]{{0,500}}?{_ADDRESSED}",
    r"<[a-z]{1,12}[^<>]{0,300}?"
    r"(?:display ?: ?none|visibility ?: ?hidden|font-size ?: ?0|opacity ?: ?0(?![.\d]{0,4}[1-9])"
    r"|color ?[:=] ?[\"']?(?:white|#fff(?:fff)?|transparent|rgba\([^)]{0,20}, ?0\))|\bhidden\b)[^<>]{0,200}>"
    rf"[^<]{{0,500}}?{_ADDRESSED}",
    rf"\[//\]: ?#[^\n\[]{{0,500}}?{_ADDRESSED}",
)

_IMAGES_AND_RESOURCES = (
    r"!\[[^\]\[\n]{0,200}\]\(\s{0,4}<?(?:(?:https?:)?//|(?:[a-z0-9-]{1,40}\.){1,4}[a-z]{2,10}/)[^()\n]{0,500}?[?#&]",
    r"<(?:img|iframe|script|link|video|audio|source|embed|object|input|body|table)\b[^<>]{0,300}?"
    r"(?:src|href|data|poster|background|srcset)\s{0,3}=\s{0,3}[\"']?(?:https?:)?//[^\s\"'<>]{0,300}?(?:[?]|\.js\b)",
    r"\burl\( ?[\"']?(?:https?:)?//[^()\s]{0,300}?\?",
)
_REFERRED_IMAGE = re.compile(r"!\[[^\]\[\n]{0,200}\]\[")
_REFERENCE = re.compile(r"(?m)^[ \t]{0,3}\[[^\]\[\n]{1,60}\]: ?<?(?:https?:)?//[^\s?]{0,300}\?")
_ADDRESS = re.compile(r"https?://[^\s\"'()]{1,1000}")
# What an address carries when it is filled in, or has been: a placeholder, or a long run that may be an encoding.
_CARRIES = re.compile(
    r"\{\{|\$\{|\[[A-Z_ ]{3,40}\]|=<|%7b|\{(?:persona|conversation|data|history|chat|messages?|text|prompt|user)"
    r"|\$[A-Z_]{3,30}|[?&=/][a-z_]{0,20}base64|=(?:name|data|secret|conversation|history)(?![\w-])|=[\w+/-]{40}",
    re.IGNORECASE,
)

_ROLE_MARKER = re.compile("|".join(f"(?:{form})" for form in _ROLE_MARKERS), re.IGNORECASE | re.MULTILINE)
_RESOURCE = re.compile("|".join(_IMAGES_AND_RESOURCES), re.IGNORECASE)
_HIDDEN = re.compile("|".join(_HIDDEN_CHARACTERS))
_HIDDEN_IN_MARKUP = re.compile("|".join(_HIDDEN_MARKUP), re.IGNORECASE)
_TABLES = {
    InjectionSign.OVERRIDE: override,
    InjectionSign.TAKEOVER: takeover,
    InjectionSign.EXFILTRATION: exfiltration,
    InjectionSign.LABEL_STEERING: label_steering,
    InjectionSign.REPLY_STEERING: reply_steering,
}


def injection_signs(text: str) -> frozenset[InjectionSign]:
    """The signs in `text`; empty where there are none.

    Any text is taken, of any length and script; time is linear in its length.
    """
    folded = fold(text)
    found = {sign for sign in _TABLES if _is_found(sign, folded.words)}
    if _ROLE_MARKER.search(folded.plain) is not None:
        found.add(InjectionSign.ROLE_MARKER)
    if _has_beacon(folded.plain):
        found.add(InjectionSign.BEACON)
    if has_control_tokens(text) or has_control_tokens(folded.plain):
        found.add(InjectionSign.CONTROL_TOKEN)
    if (not text.isascii() and _HIDDEN.search(text) is not None) or _HIDDEN_IN_MARKUP.search(text) is not None:
        found.add(InjectionSign.HIDDEN_TEXT)
    return frozenset(found)


def _has_beacon(plain: str) -> bool:
    if _RESOURCE.search(plain) is not None:
        return True
    if _REFERENCE.search(plain) is not None and _REFERRED_IMAGE.search(plain) is not None:
        return True
    return any(_CARRIES.search(address[0]) is not None for address in _ADDRESS.finditer(plain))


def _is_found(sign: InjectionSign, words: str) -> bool:
    ordinary, phrases = _compiled(sign)
    # Taking out what is ordinary costs time and is seldom needed.
    return phrases.found_in(words) and phrases.found_in(ordinary.taken_out(words))


@cache
def _compiled(sign: InjectionSign) -> tuple[Phrases, Phrases]:
    table = _TABLES[sign]
    return compile_phrases(table.ORDINARY, sets=table.SETS), compile_phrases(*table.PHRASES, sets=table.SETS)
