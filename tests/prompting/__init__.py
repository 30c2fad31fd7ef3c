"""Tests of `modules/prompting`."""
