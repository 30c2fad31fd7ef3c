from collections import Counter

from modules.core.setting_sections import NEEDS_RESTART, SECTIONS
from modules.core.settings import setting_names


def test_each_setting_is_in_one_section() -> None:
    placed = Counter(name for section in SECTIONS for name in section.names)
    assert set(placed) == setting_names()
    assert [name for name, count in placed.items() if count > 1] == []


def test_sections_have_names_of_their_own() -> None:
    labels = [section.label for section in SECTIONS]
    assert len(labels) == len(set(labels))
    assert all(section.names for section in SECTIONS)


def test_settings_that_need_a_restart_exist() -> None:
    assert setting_names() >= NEEDS_RESTART
