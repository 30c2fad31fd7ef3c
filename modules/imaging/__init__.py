"""Pictures as files: encoding, infotext, numbering, grids, previews. PIL and numpy only."""
