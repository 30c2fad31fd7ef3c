"""Prompts as the network understands them: chunks through the text encoder, emphasis, one tensor per batch."""
