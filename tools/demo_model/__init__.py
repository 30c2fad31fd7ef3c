"""Trains, checks and dresses up the small model that comes with Easel."""
