"""Renaming weights by the modules they belong to."""

from collections.abc import Mapping


def renamed(name: str, modules: Mapping[str, str]) -> str:
    """Return a weight's name with the longest module name that `modules` knows replaced.

    Args:
        name: of a weight ("down_blocks.0.resnets.1.norm1.weight").
        modules: names of modules in one layout → names in another one.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if module in modules:
            return modules[module] + name[len(module) :]
    return name
