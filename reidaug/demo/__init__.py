"""The whole job on rendered people."""
