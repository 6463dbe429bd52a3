"""What a study folder holds, and how it is planned."""
