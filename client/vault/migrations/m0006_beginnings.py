"""How private and forgotten conversations begin, as keyed digests: what goes on from one is recognised."""

STATEMENTS = (
    # They outlive the conversation, so nothing refers to it. The key is in `device_keys`.
    """
    CREATE TABLE excluded_beginnings (
        digest TEXT PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('private', 'forgotten'))
    ) STRICT, WITHOUT ROWID
    """,
)
