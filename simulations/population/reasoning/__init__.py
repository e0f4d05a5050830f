"""Conversations on mathematics in which a user points at the first wrong step of a solution, as in RLHI.

`generator` makes word problems of which everything is known; `prm800k` reads people's labels of a model's solutions.
Both give `ReasoningExample`; `answers` tells whether a reply's answer is right.

RLHI (arXiv:2509.25137) makes 10,000 such conversations from PRM800K, to learn to reason from feedback like users'.
"""
