"""Whatever somebody sends can be shown to him again."""

import json
from typing import Any

import pytest

from modules.frontends.http_api.json_safe import json_safe


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        (None, None),
        (True, True),
        (-3, -3),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (10**400, "a very large number"),
        ("a" * 300, "a" * 200 + "…"),
        ("\ud800x", "?x"),
        ([1, float("nan")], [1, "nan"]),
        ({"a": {"b": (1,)}, 5: "x"}, {"a": {"b": [1]}, "5": "x"}),
        (b"raw", "b'raw'"),
    ],
)
def test_values(value: object, safe: object) -> None:
    assert json_safe(value) == safe


def test_deep_and_wide_values_are_cut() -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    assert json_safe(deep) == [[[["…"]]]]
    assert len(json_safe(list(range(1000)))) == 20
    json.dumps(json_safe({str(number): deep for number in range(1000)}), allow_nan=False).encode()
