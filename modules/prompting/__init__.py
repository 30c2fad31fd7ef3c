"""What a prompt's text means: its parts, stages, weights, tokens and chunks. Text only, imports no torch."""
