"""Fuzzing of all that reads model files."""
