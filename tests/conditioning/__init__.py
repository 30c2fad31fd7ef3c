"""Tests of `modules/conditioning`."""
