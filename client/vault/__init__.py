"""Everything private that the assistant keeps of one person, in one encrypted SQLite file (SQLCipher).

`vault` is the way in. `keys`, `scrypt` and `header` wrap the data key; `database`, `schema` and `migrations` are the
file; `conversations`, `choices`, `pairs`, `personas`, `consents` and `votes` what it holds; `beginnings` what must not
come back; `import_store` what importers write to; `forgetting` takes out, `rotation` changes keys, `backup` and
`sealed_stream` take along.

Not promised: anything against whoever can read this process's memory or type the passphrase; that a file system or an
SSD keeps no older blocks (they are encrypted); that somebody who can write the files does not put older ones in their
place; anything about what already left the device (`client.privacy_ledger`).
"""
