"""The ways in: the page, the HTTP interface and the command line; none knows another, and none imports torch."""
