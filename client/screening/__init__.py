"""Screens for text: what a persona must not keep, what must not be learned, and what addresses the pipeline.

Each is a function of one text that knows words and shapes, needs no model, and sends nothing anywhere.
"""
