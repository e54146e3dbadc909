"""Tables of named methods: one line each here, found by outsiders through an entry-point group."""

import difflib
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from taskgroup.errors import InputError

T = TypeVar("T")


def did_you_mean(word: str, choices: list[str] | tuple[str, ...]) -> str:
    """A hint such as ``, did you mean `lookahead`?``, empty when nothing is close."""
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f", did you mean `{close[0]}`?" if close else ""


class Table(Generic[T]):
    """Named methods of one kind, imported when first asked for.

    Args:
        kind: What the entries are, for error sentences ("affinity measure").
        group: Entry-point group that other packages register in ("taskgroup.measures").
        entries: Name → ``module:attribute``.
    """

    def __init__(self, kind: str, group: str, entries: Mapping[str, str]) -> None:
        self.kind, self.group, self._own = kind, group, dict(entries)

    @cached_property
    def _entries(self) -> dict[str, str]:
        found = {e.name: e.value for e in entry_points(group=self.group)}
        return {**found, **self._own}

    @property
    def names(self) -> tuple[str, ...]:
        """Every known name, sorted."""
        return tuple(sorted(self._entries))

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise InputError(self.unknown(name))
        module, _, attribute = self._entries[name].partition(":")
        return cast("T", getattr(import_module(module), attribute))

    def unknown(self, name: str) -> str:
        """The sentence for a name that is not in the table."""
        return f"{self.kind} should be one of {', '.join(self.names)}, found `{name}`{did_you_mean(name, self.names)}"

    def create(self, name: str, options: Mapping[str, Any]) -> Any:
        """The method called ``name`` with its options validated (pydantic raises on a wrong one)."""
        return cast("Any", self[name]).model_validate(dict(options))
