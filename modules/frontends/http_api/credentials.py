"""Who may come in: names and passwords, sessions, and a brake for those who guess."""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

SESSION_SECONDS = 7 * 24 * 3600
MAX_SESSIONS = 1000

FREE_ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 60.0
FORGET_SECONDS = 15 * 60
MAX_ADDRESSES = 1000

Clock = Callable[[], float]


class Credentials:
    """The logins given on the command line."""

    def __init__(self, logins: Iterable[tuple[str, str]]) -> None:
        self._logins = [(_digest(name), _digest(password)) for name, password in logins]

    def match(self, name: str, password: str) -> bool:
        """Whether `name` may log in with `password`; takes the same time whichever part is wrong."""
        given_name, given_password = _digest(name), _digest(password)
        found = False
        for known_name, known_password in self._logins:
            same_name = hmac.compare_digest(known_name, given_name)
            same_password = hmac.compare_digest(known_password, given_password)
            found |= same_name & same_password
        return found


class Sessions:
    """Random tokens that stand for a login, each for `SESSION_SECONDS`; gone when the server stops."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def begin(self) -> str:
        """Return the token of a new session. The oldest sessions end when there are too many."""
        token = secrets.token_urlsafe(32)
        self._ends[_digest(token)] = self._clock() + SESSION_SECONDS
        while len(self._ends) > MAX_SESSIONS:
            self._ends.popitem(last=False)
        return token

    def is_valid(self, token: str) -> bool:
        """Whether `token` is of a session that has not ended."""
        # looked up by digest: the time of a look-up tells nothing about the token
        return self._ends.get(_digest(token), 0.0) > self._clock()

    def end(self, token: str) -> None:
        """End a session, if there is one."""
        self._ends.pop(_digest(token), None)


class Brake:
    """Makes whoever fails often wait: after `FREE_ATTEMPTS` failures 1 s, then 2 s, 4 s … up to a minute.

    Remembers at most `MAX_ADDRESSES` addresses, and forgets one after `FORGET_SECONDS` without a failure.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def seconds_to_wait(self, address: str) -> float:
        """Return how long `address` has to wait before it may try again; 0 when it need not."""
        count, last = self._recent(_network(address))
        if count < FREE_ATTEMPTS:
            return 0.0
        pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(count - FREE_ATTEMPTS, 10))
        return max(0.0, last + pause - self._clock())

    def failed(self, address: str) -> None:
        """Note a failed attempt."""
        network = _network(address)
        count, _ = self._recent(network)
        self._failures[network] = (count + 1, self._clock())
        self._failures.move_to_end(network)
        while len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of whoever knew the password in the end."""
        self._failures.pop(_network(address), None)

    def _recent(self, network: str) -> tuple[int, float]:
        count, last = self._failures.get(network, (0, 0.0))
        return (count, last) if self._clock() - last < FORGET_SECONDS else (0, 0.0)


def _digest(text: str) -> bytes:
    # of one length whatever the text, so that comparing tells nothing about it
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """Return what one guesser can hardly leave: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return address
