"""What can go wrong, as one small tree.

KlantwaardeError (a ValueError)
├── BadOrders       orders, customers or columns that cannot be used
├── BadParameters   numbers outside a model's or a setting's domain
├── NotConverged    a fit that did not end at an optimum, with the reason
├── OutputBusy      another run writes to the same place
└── MissingExtra    an optional package that is not installed
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from klantwaarde.shown import masked

if TYPE_CHECKING:
    from collections.abc import Callable

_BEGIN, _IS, _END = "\ue000", "\ue001", "\ue002"  # of the private use area: in nobody's text
_NAMED = re.compile(f"{_BEGIN}([^{_IS}{_END}]*)(?:{_IS}([^{_END}]*))?{_END}")


def named(name: str, *value: Any) -> str:
    """A setting in a message, with its value if one is given: each reader sees it as they write it.

    In Python `as_of='x'`, on the command line `--as-of x`, in a settings file `as_of = "x"`.
    """
    return f"{_BEGIN}{name}{''.join(f'{_IS}{one!r}' for one in value)}{_END}"


def as_argument(name: str, value: str | None) -> str:
    """How Python writes a setting: as an argument."""
    return f"{name}={value or ''}"


class KlantwaardeError(ValueError):
    """Any fault that a user can mend; the message names the rows, the reason and the remedy, and no password."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(masked(word) if isinstance(word, str) else word for word in words))

    def told(self, setting: Callable[[str, str | None], str]) -> str:
        """The message with each setting written by `setting(name, value)`; the value as Python shows it, if any."""
        return _NAMED.sub(lambda found: setting(found[1], found[2]), super().__str__())

    setting: Callable[[str, str | None], str] = staticmethod(as_argument)
    """How the reader of this error writes a setting: the command line puts its own in place."""

    def __str__(self) -> str:
        return self.told(self.setting)


class BadOrders(KlantwaardeError):
    """Orders, customers or columns that cannot be used."""


class BadParameters(KlantwaardeError):
    """Numbers outside a model's or a setting's domain."""


class NotConverged(KlantwaardeError):
    """A fit that did not end at an optimum."""


class OutputBusy(KlantwaardeError):
    """Another run writes to the same place."""


class MissingExtra(KlantwaardeError):
    """An optional package that is not installed."""


def expect(given: object, kind: type | tuple[type, ...], name: str, remedy: str) -> None:
    """Raise BadParameters unless an argument is of its kind: what was handed in, what is needed, how to get it."""
    if isinstance(given, kind):
        return
    needed = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    raise BadParameters(f"{named(name)} has to be of type {needed}, but {kind_of(given)} was handed in: {remedy}.")


def kind_of(given: object) -> str:
    """What was handed in, in a word or two: "ParetoNBD", "DataFrame (of pandas)"."""
    one = given if isinstance(given, type) else type(given)
    home = one.__module__.split(".")[0]
    name = f"the class {one.__name__}" if isinstance(given, type) else one.__name__
    return name if home in {"klantwaarde", "builtins"} else f"{name} (of {home})"
