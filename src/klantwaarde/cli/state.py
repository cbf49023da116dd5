"""The commands about a state: what is in it, and taking its last batch back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from klantwaarde.cli.manual import Command, Group
from klantwaarde.cli.options import AsJson, app, print_json
from klantwaarde.cli.screen import one_line, show, words
from klantwaarde.state.kept import Part
from klantwaarde.state.state import State, state_there

state = typer.Typer(
    no_args_is_help=True, cls=Group, rich_markup_mode=None, help="What a state holds; take its last batch back."
)
app.add_typer(state, name="state")

Folder = Annotated[Path, typer.Argument(help="Folder of --state.", show_default=False)]
HEADINGS = {
    "merged": "merged", "lines": "lines", "customers": "customers", "known": "known before", "amount": "amount",
    "first_day": "first day", "last_day": "last day", "source": "source",
}  # fmt: skip
TEXTS = ("merged", "first_day", "last_day", "source")


@state.command("show", cls=Command)
def show_command(folder: Folder, *, as_json: AsJson = False) -> None:
    """Show the batches of a state, after its files were compared with what was written."""
    with state_there(folder) as found:
        told = _told(found)
    if as_json:
        print_json(told)
        return
    rows = [[_shown(batch[name]) for name in HEADINGS] for batch in told["batches"]]
    left = [place for place, name in enumerate(HEADINGS) if name in TEXTS]
    show(f"{folder}: {found.batches:,} batches", list(HEADINGS.values()), rows, left)
    words.print(f"{told['lines']:,} lines in all. The last batch can{_not(told)} be taken back.", soft_wrap=True)


@state.command("undo", cls=Command)
def undo_command(folder: Folder, *, as_json: AsJson = False) -> None:
    """Take the last batch back, as if its run had never been; results that were written stay as they are."""
    with state_there(folder) as found:
        batch = found.undo()
        told = _told(found)
    if as_json:
        print_json({"taken_back": batch} | told)
        return
    words.print(f"Taken back: {batch['lines']:,} lines of {one_line(batch['source'])}, merged {batch['merged']}.")
    left = f"{found.batches:,} batches are left, with "
    words.print(left + ("the model of before." if told["model"] else "no model: the next run fits one."))


def _told(found: State) -> dict[str, Any]:
    batches = [_batch(part, told) for part in found.parts for told in part.batches]
    return {
        "folder": str(found.folder),
        "traits": found.traits,
        "model": found.content.model,
        "lines": sum(batch["lines"] for batch in batches),
        "can_undo": bool(found.parts) and len(found.parts[-1].batches) == 1,
        "batches": batches,
    }


def _batch(part: Part, told: dict[str, Any]) -> dict[str, Any]:
    """What is told of a batch; what an earlier version did not keep is empty."""
    return {"id": told["id"], "file": part.file} | {name: told.get(name) for name in HEADINGS}


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else one_line(value)


def _not(told: dict[str, Any]) -> str:
    return "" if told["can_undo"] else "not"
