"""The model folders: what is there, what it is called, and its hashes. Never reads a weight."""
