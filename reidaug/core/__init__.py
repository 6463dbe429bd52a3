"""What all other folders use: errors, files, locks, fingerprints, shares of work, progress, devices."""
