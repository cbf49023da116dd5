"""Whether the orders are correct, current and complete."""
