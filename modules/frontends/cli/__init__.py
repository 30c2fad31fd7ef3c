"""The command line: the server's flags, and the commands `generate`, `info` and `models`."""
