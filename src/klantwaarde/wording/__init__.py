"""Sentences as data: a code with its fields, worded where somebody reads it, in a language."""
