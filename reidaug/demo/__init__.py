"""The whole pipeline on rendered people."""
