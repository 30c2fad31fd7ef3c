"""What is kept between runs: the settings file, and one SQLite file for caches and history."""
