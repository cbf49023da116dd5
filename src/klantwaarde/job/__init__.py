"""One batch run, from settings to files, and what else a command does."""
