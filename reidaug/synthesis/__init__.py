"""Train a generator, and generate the missing images."""
