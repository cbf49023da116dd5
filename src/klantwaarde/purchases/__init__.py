"""From order lines to customers and cells."""
