"""Model families: what is special to each, and the seam through which all are used."""
