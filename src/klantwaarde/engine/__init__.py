"""Engines, and the statements that run on any."""
