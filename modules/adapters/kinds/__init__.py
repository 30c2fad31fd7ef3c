"""The kinds of weight adapters: how each changes one weight."""
