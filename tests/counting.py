"""How often statements are evaluated: executed SQL carries the names of the statements that it is made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from klantwaarde.engine import relation, statement
from klantwaarde.engine.duckdb import DuckDB

MARK = re.compile(r"/\*evaluates (\w+)\*/")


class Evaluations:
    """Counts (statement, day) as an engine runs them; a view counts when it is read, not when it is made."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.views: dict[str, str] = {}

    def note(self, sql: str, parameters: Mapping[str, Any] | None) -> None:
        """One executed statement."""
        made = re.match(r"create or replace temp view (\w+) as", sql)
        if made:
            self.views[made[1]] = sql
            return
        if sql.startswith("describe "):
            return
        day = str((parameters or {}).get("as_of", ""))
        for name in self._names(sql):
            self.counts[name, day] += 1

    def _names(self, sql: str) -> list[str]:
        found = MARK.findall(sql)
        for word in re.findall(r"\w+", sql):
            if word in self.views and f"view {word} as" not in sql:
                found += self._names(self.views[word])
        return found


@contextmanager
def evaluations(patch: pytest.MonkeyPatch) -> Iterator[Evaluations]:
    """Everything that DuckDB engines run meanwhile."""
    seen, plain = Evaluations(), statement.statement

    def marked(name: str, *given: Any, **more: Any) -> str:
        return f"{plain(name, *given, **more)}\n/*evaluates {name}*/"

    with patch.context() as patched:
        patched.setattr(relation, "statement", marked)
        for method in ("_execute", "arrow", "batches"):
            original = getattr(DuckDB, method)

            def noting(
                self: DuckDB, sql: str, parameters: Mapping[str, Any] | None = None, _original: Any = original
            ) -> Any:
                seen.note(sql, parameters)
                return _original(self, sql, parameters)

            patched.setattr(DuckDB, method, noting)
        yield seen
