"""Each kind of adapter against its paper's definition, computed in float64."""
