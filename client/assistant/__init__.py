"""The assistant that a person talks to: base model, shared adapter and their own, under their persona."""
