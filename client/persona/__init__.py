"""Who the user is to the assistant: statements in natural language, inferred on the device from what the user said.

`statements` are the values, `axes` reads which taste a statement is about, `inference` asks the model, `merging` weighs
what was observed by recency, `book` keeps it all in a file that the user may edit and lock.
"""
