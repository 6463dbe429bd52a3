"""What everything else stands on: errors, files, locks, fingerprints, shares of work, progress, devices."""
