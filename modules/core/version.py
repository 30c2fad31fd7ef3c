"""The product's name and version, as written to infotexts and shown on the page."""

NAME = "Easel"
VERSION = "0.1.0"
INFOTEXT_VERSION = f"{NAME} {VERSION}"
