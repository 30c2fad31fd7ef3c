"""Names of weights: from the layouts people distribute to those of diffusers and transformers."""
