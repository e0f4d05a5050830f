"""What the device needs of the vault: keys for what lies beside it, whether it takes part, and what was tried."""

STATEMENTS = (
    """
    CREATE TABLE device_keys (
        purpose TEXT PRIMARY KEY,
        key BLOB NOT NULL CHECK (length(key) = 32)
    ) STRICT
    """,
    """
    CREATE TABLE participation (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        state TEXT NOT NULL CHECK (state IN ('on', 'paused', 'left')),
        decided_at TEXT NOT NULL
    ) STRICT
    """,
    # Requests that a pair was tried for: they are not tried again. One that is worded anew is another.
    """
    CREATE TABLE attempts (
        number INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL,
        turn INTEGER NOT NULL,
        followed INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        UNIQUE (conversation, turn, followed),
        FOREIGN KEY (conversation, turn) REFERENCES messages (conversation, turn) ON DELETE CASCADE
    ) STRICT
    """,
)
