"""A chat is found by its digest: front ends that send all of a conversation each time do not name it."""

STATEMENTS = ("CREATE INDEX chats_by_digest ON conversations (digest) WHERE source = 'chats'",)
