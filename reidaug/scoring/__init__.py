"""Image metrics of generated images."""
