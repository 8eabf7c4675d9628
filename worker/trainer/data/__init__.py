"""Training data: `examples` makes batches, `augmentation` changes examples at random."""
