"""Train a generator, and fill the missing images."""
