"""How customers move between the stages of a relation, and what a stage is worth."""
