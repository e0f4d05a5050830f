"""Old conversations of a person, from what other assistants let them take along.

`importing.import_conversations` is the way in. `detection` tells the format; each format is a module (`chatgpt`,
`claude`, `sharegpt`, `rows`, `open_webui`, `messages_jsonl`) that makes one parsed record into one conversation;
`reading`, `json_elements` and `records` bring the records, one at a time, so that a large export needs little memory;
`jsonl_store` keeps the result. Exports are data from elsewhere: nothing in them is trusted, and no error quotes them.
"""
