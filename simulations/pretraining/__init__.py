"""What `simulations.pretrain` is made of: examples, tokenizer, measures and the model card."""
