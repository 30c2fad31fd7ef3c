"""Logins on the command line: `user:password,other:password`, or a file of them."""

import argparse
from pathlib import Path

Logins = tuple[tuple[str, str], ...]


def parse_logins(text: str) -> Logins:
    """Read `user:password` pairs, separated by commas or line ends. A password may contain colons, but no comma.

    Raises:
        argparse.ArgumentTypeError: a pair lacks its user, its colon or its password, a user is named twice, or there
            is none at all. The message never repeats what was given, for it may be a password.
    """
    pairs = [pair.strip() for line in text.splitlines() for pair in line.split(",") if pair.strip()]
    if not pairs:
        raise argparse.ArgumentTypeError("it holds no login: give user:password")
    logins: dict[str, str] = {}
    for number, pair in enumerate(pairs, start=1):
        user, colon, password = pair.partition(":")
        if not (user and colon and password):
            raise argparse.ArgumentTypeError(
                f"login {number} is not of the form user:password (commas separate logins, so a password has none)"
            )
        if user in logins:
            raise argparse.ArgumentTypeError(f"the user {user} is named twice")
        logins[user] = password
    return tuple(logins.items())


def read_logins(name: str) -> Logins:
    """Read the logins in the file called `name`.

    Raises:
        argparse.ArgumentTypeError: the file cannot be read, or its content is not as `parse_logins` wants it.
    """
    try:
        return parse_logins(Path(name).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise argparse.ArgumentTypeError(f"{name} is not a text file in UTF-8") from error
