"""Getting tables in and out: files, frames, databases."""
