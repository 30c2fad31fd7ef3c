"""Weight adapters: every kind, every spelling, and the files that other tools write."""
