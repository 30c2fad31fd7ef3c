"""Tests of the set-up and of the runner of checks."""
