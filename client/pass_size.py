"""How many tokens share a forward and backward pass, so that training fits a small device.

A pass keeps what the backward pass needs: of each token, in each layer, some ten vectors of the hidden width and five
of the feed-forward's, and four times the logits of what is scored. More pairs than fit go through one pass after the
other, which changes the sum of their gradients by rounding alone.
"""

from __future__ import annotations

from shared.causal_lm import LanguageModel

# Beside the weights. One pair goes through whatever it takes.
PASS_BYTES = {"cpu": 1.5e9, "mps": 3e9, "cuda": 12e9}
_BYTES = 4  # float32 whatever the weights are: an upper bound
_HIDDEN_VECTORS, _INNER_VECTORS, _LOGITS = 10, 5, 4


def tokens_per_pass(model: LanguageModel) -> int:
    """At least 1. The same for a model on every device of a kind, so that the same request gives the same numbers."""
    shape = model.model.config.get_text_config()
    hidden = int(getattr(shape, "hidden_size", 0) or getattr(shape, "n_embd", 0))
    inner = int(getattr(shape, "intermediate_size", 0) or getattr(shape, "n_inner", 0) or 4 * hidden)
    layers = int(getattr(shape, "num_hidden_layers", 0) or getattr(shape, "n_layer", 0))
    per_layer = _HIDDEN_VECTORS * hidden + _INNER_VECTORS * inner
    per_token = _BYTES * (layers * per_layer + _LOGITS * int(shape.vocab_size))
    return max(1, int(PASS_BYTES.get(model.device.type, PASS_BYTES["cpu"]) / per_token))
