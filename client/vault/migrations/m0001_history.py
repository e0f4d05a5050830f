"""The first schema: what was said, where an export shows that a person chose, and what may be used.

Numbers are never used twice (AUTOINCREMENT): a backup holds a conversation if its number was given before.
"""

STATEMENTS = (
    """
    CREATE TABLE conversations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL CHECK (source IN ('chats', 'imports')),
        format TEXT NOT NULL,
        started TEXT,
        private INTEGER NOT NULL DEFAULT 0 CHECK (private IN (0, 1)),
        added_at TEXT NOT NULL,
        digest TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
        turn INTEGER NOT NULL CHECK (turn >= 0),
        role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
        content TEXT NOT NULL,
        UNIQUE (conversation, turn)
    ) STRICT
    """,
    """
    CREATE TABLE choices (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
        at INTEGER NOT NULL CHECK (at >= 0),
        kept INTEGER NOT NULL CHECK (kept >= 1),
        kind TEXT NOT NULL CHECK (kind IN ('regenerated', 'edited')),
        left TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX choices_of_conversation ON choices (conversation)",
    """
    CREATE TABLE consents (
        source TEXT PRIMARY KEY CHECK (source IN ('chats', 'imports', 'votes')),
        granted INTEGER NOT NULL CHECK (granted IN (0, 1)),
        decided_at TEXT NOT NULL
    ) STRICT
    """,
)
