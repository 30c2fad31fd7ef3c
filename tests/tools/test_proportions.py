import pytest

from tools.demo_model.proportions import Proportion, sign_test


def test_wilsons_interval_of_known_shares() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert Proportion(hits=81, count=263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Proportion(hits=0, count=20).interval == pytest.approx((0, 0.1611), abs=1e-4)
    assert Proportion(hits=1, count=29).interval == pytest.approx((0.0061, 0.1718), abs=1e-4)


def test_outcomes_are_counted() -> None:
    assert Proportion.of([True, False, True, True]) == Proportion(hits=3, count=4)
    assert str(Proportion(hits=3, count=4)).startswith("75.0% (")


def test_the_sign_test_counts_pairs_that_moved() -> None:
    assert sign_test([0] * 10, [1] * 10) == pytest.approx(2 / 1024)
    assert sign_test([1] * 10, [0] * 10) == pytest.approx(2 / 1024)
    assert sign_test([0] * 8 + [1], [1] * 8 + [0]) == pytest.approx(2 * (1 + 9) / 512)


def test_pairs_that_stay_equal_say_nothing() -> None:
    assert sign_test([0] * 10 + [5] * 90, [1] * 10 + [5] * 90) == pytest.approx(2 / 1024)
    assert sign_test([3, 3], [3, 3]) == 1


def test_pairs_must_be_complete() -> None:
    with pytest.raises(ValueError, match="zip"):
        sign_test([1, 2], [1])
