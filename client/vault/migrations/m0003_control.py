"""What a person decides and is told: blind votes, backups that were made, and what must not come back."""

STATEMENTS = (
    """
    CREATE TABLE votes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
        turn INTEGER NOT NULL CHECK (turn >= 0),
        tuned_first INTEGER NOT NULL CHECK (tuned_first IN (0, 1)),
        outcome TEXT NOT NULL CHECK (outcome IN ('tuned', 'base', 'tie')),
        voted_at TEXT NOT NULL,
        pair INTEGER REFERENCES pairs (number) ON DELETE SET NULL
    ) STRICT
    """,
    # `newest` is the highest number that a conversation had: no clock decides what a backup holds.
    """
    CREATE TABLE backups (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        made_at TEXT NOT NULL,
        newest INTEGER NOT NULL
    ) STRICT
    """,
    # Digests of the ids of forgotten conversations: an import of the same export must not bring them back.
    "CREATE TABLE forgotten (id_digest TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    "CREATE INDEX votes_of_conversation ON votes (conversation)",
    "CREATE INDEX votes_of_pair ON votes (pair)",
)
