"""How generators are trained: their losses, their discriminators, the order of their updates."""
