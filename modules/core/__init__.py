"""The project's words: requests, events, settings, errors. Imports no torch and nothing above it."""
