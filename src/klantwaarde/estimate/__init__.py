"""Parameters from data: likelihoods with their gradients, searches, diagnoses, fits and their files."""
