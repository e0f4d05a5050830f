"""What the screens look for, a module a kind: tables of phrases in the language of `client.screening.phrases`.

They are modules and not data files because Flower's bundle carries only the apps' Python. Each holds `PHRASES` (what is
found) and, where ordinary use of its words is known to collide, `ORDINARY` (what is taken out of the text before).
"""
