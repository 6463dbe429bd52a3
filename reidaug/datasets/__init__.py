"""People on disk: read, check, pose."""
