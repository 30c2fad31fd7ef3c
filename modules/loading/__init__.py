"""From model files to networks in memory."""
