"""What was trained here, so that it goes with what it was trained on.

`learned` counts how often it was thrown away: the files of another count are sealed under keys that are gone. A pair
that was ever handed to training stays marked, whatever its user makes of it later.
"""

STATEMENTS = (
    """
    CREATE TABLE learned (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        count INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO learned VALUES (1, 0)",
    "ALTER TABLE pairs ADD COLUMN trained INTEGER NOT NULL DEFAULT 0 CHECK (trained IN (0, 1))",
    "UPDATE pairs SET trained = 1 WHERE state = 'used'",
)
