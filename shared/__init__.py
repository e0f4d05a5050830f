"""What device and server must agree on: values, the language-model seam, adapters, messages, privacy.

No I/O beyond loading a model and reading or writing a file of pairs.
"""
