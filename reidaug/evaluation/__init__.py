"""Re-ID baselines on training sets."""
