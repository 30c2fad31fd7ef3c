"""Set-up and checks: what runs before, or beside, the program itself; standard library only."""
