"""What is known besides the orders: links and attributes."""
