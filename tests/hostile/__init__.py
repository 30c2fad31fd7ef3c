"""Files that mean harm, and how every reader of them fares."""
