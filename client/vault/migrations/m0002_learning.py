"""What is learned: pairs and personas, each tied to the conversations that it came from.

The ties are rules of the database and not of the code above it: a conversation that goes takes with it every pair made
from it and every statement that rested on it, whoever deletes it. Only what the user wrote stays.
"""

STATEMENTS = (
    """
    CREATE TABLE pairs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        origin TEXT NOT NULL CHECK (origin IN ('rewrite', 'reward', 'vote', 'choice')),
        state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'used', 'dropped', 'corrected')),
        body TEXT NOT NULL,
        made_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE pair_conversations (
        pair INTEGER NOT NULL REFERENCES pairs (number) ON DELETE CASCADE,
        conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
        PRIMARY KEY (pair, conversation)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE pair_choices (
        pair INTEGER NOT NULL REFERENCES pairs (number) ON DELETE CASCADE,
        choice INTEGER NOT NULL REFERENCES choices (number) ON DELETE CASCADE,
        PRIMARY KEY (pair, choice)
    ) STRICT, WITHOUT ROWID
    """,
    # The persona that a pair was made under, statement by statement: one that is forgotten leaves the others.
    """
    CREATE TABLE persona_parts (
        number INTEGER PRIMARY KEY,
        pair INTEGER NOT NULL REFERENCES pairs (number) ON DELETE CASCADE,
        text TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE part_evidence (
        part INTEGER NOT NULL REFERENCES persona_parts (number) ON DELETE CASCADE,
        conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
        PRIMARY KEY (part, conversation)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE persona_reader (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL) STRICT",
    """
    CREATE TABLE readings (
        conversation INTEGER PRIMARY KEY REFERENCES conversations (number) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        dropped TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE observations (
        number INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL REFERENCES readings (conversation) ON DELETE CASCADE,
        turn INTEGER NOT NULL,
        date TEXT,
        text TEXT NOT NULL,
        FOREIGN KEY (conversation, turn) REFERENCES messages (conversation, turn) ON DELETE CASCADE
    ) STRICT
    """,
    # What the user wrote, locked or struck out. An inferred one that is locked goes with any of its evidence, since its
    # words may be from there; one that is struck out has only evidence in those very words, and goes with the last.
    """
    CREATE TABLE statements (
        number INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        source TEXT NOT NULL CHECK (source IN ('inferred', 'user')),
        confidence REAL NOT NULL,
        locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
        struck INTEGER NOT NULL CHECK (struck IN (0, 1))
    ) STRICT
    """,
    """
    CREATE TABLE statement_evidence (
        statement INTEGER NOT NULL REFERENCES statements (number) ON DELETE CASCADE,
        conversation INTEGER NOT NULL,
        turn INTEGER NOT NULL,
        date TEXT,
        PRIMARY KEY (statement, conversation, turn),
        FOREIGN KEY (conversation, turn) REFERENCES messages (conversation, turn) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX pairs_of_conversation ON pair_conversations (conversation)",
    "CREATE INDEX pairs_of_choice ON pair_choices (choice)",
    "CREATE INDEX parts_of_pair ON persona_parts (pair)",
    "CREATE INDEX parts_of_conversation ON part_evidence (conversation)",
    "CREATE INDEX observations_of_message ON observations (conversation, turn)",
    "CREATE INDEX statements_of_message ON statement_evidence (conversation, turn)",
    """
    CREATE TRIGGER pair_lost_a_conversation AFTER DELETE ON pair_conversations
    BEGIN DELETE FROM pairs WHERE number = OLD.pair; END
    """,
    """
    CREATE TRIGGER pair_lost_a_choice AFTER DELETE ON pair_choices
    BEGIN DELETE FROM pairs WHERE number = OLD.pair; END
    """,
    """
    CREATE TRIGGER part_lost_evidence AFTER DELETE ON part_evidence
    BEGIN DELETE FROM persona_parts WHERE number = OLD.part; END
    """,
    """
    CREATE TRIGGER statement_lost_evidence AFTER DELETE ON statement_evidence
    BEGIN
        DELETE FROM statements WHERE number = OLD.statement AND source = 'inferred' AND (
            struck = 0 OR NOT EXISTS (SELECT 1 FROM statement_evidence WHERE statement = OLD.statement)
        );
    END
    """,
)
