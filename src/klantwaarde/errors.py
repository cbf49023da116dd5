"""What can go wrong, as one small tree.

KlantwaardeError (a ValueError)
├── BadOrders       orders, customers or columns that cannot be used
├── BadParameters   numbers outside a model's or a setting's domain
├── NotConverged    a fit that did not end at an optimum, with the reason
├── OutputBusy      another run writes to the same place
└── MissingExtra    an optional package that is not installed
"""


class KlantwaardeError(ValueError):
    """Any fault that a user can mend; the message names the rows, the reason and the remedy."""


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
