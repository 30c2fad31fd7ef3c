import threading

import pytest

from modules.core.cancellation import CancelToken
from modules.core.errors import Interrupted, Skipped


def test_a_new_token_lets_work_go_on() -> None:
    token = CancelToken()
    token.check()
    assert not token.interrupted
    assert not token.skipped


def test_skipping_is_used_up_by_one_batch() -> None:
    token = CancelToken()
    token.skip()
    assert token.skipped
    with pytest.raises(Skipped):
        token.check()
    token.check()
    assert not token.skipped


def test_an_interruption_lasts_and_wins_over_skipping() -> None:
    token = CancelToken()
    token.skip()
    token.interrupt()
    for _ in range(2):
        with pytest.raises(Interrupted):
            token.check()
    assert token.interrupted


def test_another_thread_is_heard() -> None:
    token = CancelToken()
    thread = threading.Thread(target=token.interrupt)
    thread.start()
    thread.join()
    with pytest.raises(Interrupted):
        token.check()
