"""The HTTP interface: A1111's routes under `/sdapi/v1` and `/internal`, and the server that also carries the page."""
