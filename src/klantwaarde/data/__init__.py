"""Orders, customers and cells, and the engines that count them."""
