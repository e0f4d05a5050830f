"""Every field that a device sends, and what it reveals; what is not in this list must not be sent."""

from __future__ import annotations

from collections.abc import Mapping

ALWAYS = "a constant of the software"
_DIGEST = "which request it answers; public"

# By record and key. Of a stage's reply, the body is listed by stage.
OF_ANY_PLAN: Mapping[str, str] = {
    "reply.schema": ALWAYS,
    "reply.status": "that it trained, or a code why not",
    "reply.request": _DIGEST,
    "roll-call.schema": ALWAYS,
    "roll-call.device": "its number",
}
OF_SECURE_PLANS: Mapping[str, str] = {
    "keys.schema": ALWAYS,
    "keys.keys": "fresh public keys, a commitment to random bytes, a signature by its long-term key: who it is",
    "stage-reply.schema": ALWAYS,
    "stage-reply.status": "that it answered, or a code why not",
    "stage-reply.request": _DIGEST,
    "share: stage-reply.body": "shares of random keys, sealed for each peer: which peers it was shown",
    "mask: stage-reply.body": "its encoded update under its masks: uniform, until enough devices agree on a sum",
    "confirm: stage-reply.body": "a signature over who is in the sum",
    "reveal: stage-reply.body": "shares of the keys of masks: of those in the sum their own, of those who vanished the "
    "others; never both",
}
OF_PLAIN_PLANS: Mapping[str, str] = {
    "update.vector": "its clipped update in clear (with pair-level privacy: noised): all that `inversion` finds",
}
OF_PLANS_WITHOUT_PRIVACY: Mapping[str, str] = {
    f"metrics.{name}": "exact figures about its data and training"
    for name in ("loss", "accuracy", "pairs", "update_norm", "forwards", "tokens", "seconds")
}
# Of every message, whatever it holds.
VISIBLE = (
    "presence: who was asked, who answered, at which stage one vanished",
    "timing: how long each reply took",
    "address: the IP address and the TLS session of whoever replies (no network here to see it on)",
    "Flower's envelope: node id, message ids, creation time, time to live, group",
)


def allowed(*, secure: bool, private: bool) -> Mapping[str, str]:
    """Fields that a plan's devices may send → what each reveals."""
    return {
        **OF_ANY_PLAN,
        **(OF_SECURE_PLANS if secure else OF_PLAIN_PLANS),
        **({} if private else OF_PLANS_WITHOUT_PRIVACY),
    }
