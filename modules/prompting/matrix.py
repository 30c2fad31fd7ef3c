"""The prompts of a prompt matrix: `a cat|with a hat|at night` becomes each choice of its options."""

from modules.core.errors import InvalidRequest

MAX_OPTIONS = 12
"""Each option doubles the number of pictures; 12 make 4,096."""


def matrix_prompts(text: str, *, delimiter: str, at_start: bool) -> tuple[str, ...]:
    """Return the prompt of each picture: 2^n of them for n options, which stand between or behind `|`.

    The first one has no option, the second one the first option, the third one the second, the fourth one both, and so
    on: the picture's number in binary says which.

    Args:
        text: what is always said, and the options.
        delimiter: what stands between the parts.
        at_start: the options come first.

    Raises:
        InvalidRequest: there are too many options.
    """
    always, *options = text.split("|")
    if len(options) > MAX_OPTIONS:
        raise InvalidRequest(
            f"The prompt matrix has {len(options)} options, which make 2^{len(options)} pictures; "
            f"{MAX_OPTIONS} options are the limit. Take some of them out."
        )
    named = [option.strip().strip(",") for option in options]
    choices = ([name for i, name in enumerate(named) if number >> i & 1] for number in range(2 ** len(named)))
    return tuple(delimiter.join([*chosen, always] if at_start else [always, *chosen]) for chosen in choices)
