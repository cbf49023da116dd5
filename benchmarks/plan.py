"""What is measured at one size, in order: the floor, ourselves, and then the peers, each judged at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.job import SPEND

OURS = "klantwaarde"
PEERS: dict[str, dict[str, tuple[str, ...]]] = {
    "lifetimes": {"summary": ("",), "fit": ("", ", weights"), "predict": ("",)},
    "pymc_marketing": {"fit": ("",)},
}
"""Peers, what they are measured in, and its variants: a fit on one row per customer, and on cells."""
OWN_PYTHON = {"pymc_marketing": "--pymc-python"}
"""Peers whose versions of libraries are not ours, and the option that names the Python which has them."""


class Step(NamedTuple):
    """One thing to measure; of: our step that a peer's step is to be compared with."""

    library: str
    name: str
    of: str | None = None

    @property
    def module(self) -> str:
        """Where it is written down."""
        return (
            f"benchmarks.{self.library}"
            if self.library in {"orders", "answers"}
            else f"benchmarks.libraries.{self.library}"
        )


def plan(models: Sequence[str], *, peers: bool) -> Iterator[Step]:
    """The steps at one size; without peers what they alone are compared with is left out."""
    yield Step("floor", "scan")
    yield Step("floor", "group")
    yield Step(OURS, "run")
    yield Step("floor", "write")
    yield from _with_peers("summary", peers=peers)
    for model in models:
        yield from _with_peers(f"fit {model}", peers=peers)
    for model in models if peers else ():
        if model != SPEND:
            yield from _with_peers(f"predict {model}", peers=peers)


def _with_peers(name: str, *, peers: bool) -> Iterator[Step]:
    yield Step(OURS, name)
    for peer, known in PEERS.items() if peers else ():
        yield from (Step(peer, name + variant, of=name) for variant in known.get(name.split(maxsplit=1)[0], ()))
