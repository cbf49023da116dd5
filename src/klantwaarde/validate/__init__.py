"""How well it predicts."""
