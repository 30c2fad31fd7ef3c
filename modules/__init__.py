"""Easel: a local web UI for text-to-image generation. Start at ARCHITECTURE.md."""
