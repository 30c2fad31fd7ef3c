"""The ways in: the page, the HTTP interface and the command line. None of them knows another, and none imports torch."""
