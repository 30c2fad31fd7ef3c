"""Programs for the people who build Easel; nothing that Easel itself needs."""
