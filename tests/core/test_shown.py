from modules.core.shown import shown


def test_usual_names_are_shown_as_they_are() -> None:
    assert shown("") == ""
    assert shown("model.diffusion_model.Größe 猫") == "model.diffusion_model.Größe 猫"


def test_what_a_console_would_obey_is_replaced() -> None:
    assert shown("a\n\x1b[2J\ud800\u202eb") == "a�\N{REPLACEMENT CHARACTER}[2J��b"


def test_long_names_are_cut() -> None:
    assert shown("x" * 120) == "x" * 120
    assert shown("x" * 10**6) == "x" * 119 + "…"
