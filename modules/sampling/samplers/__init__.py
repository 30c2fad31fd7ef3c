"""The solvers, one file each; `registry.py` lists them."""
