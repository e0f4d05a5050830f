"""What device and server must agree on: values, the language-model seam, adapters, messages, privacy.

No I/O but loading a model, files of pairs, and what the command lines share.
"""
