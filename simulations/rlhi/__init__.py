"""The device's pipeline over many simulated users at once: personas, follow-ups, pairs, and how each stage did.

Everything that makes a pair is `client`'s; this package batches it over users and compares it with the world's truth.
"""
