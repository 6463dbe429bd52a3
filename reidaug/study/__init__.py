"""The study folder: what it contains, and how it is planned."""
