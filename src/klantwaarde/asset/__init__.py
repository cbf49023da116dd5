"""The customer base as an asset."""
