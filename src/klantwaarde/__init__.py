"""What each customer is worth, and where each customer stands in the relation."""
