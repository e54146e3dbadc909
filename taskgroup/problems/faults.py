"""Faults: collects every sentence that is wrong with a problem before one error is raised."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from taskgroup.errors import InputError


class Faults:
    """A list of sentences, each once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, sentences: Iterable[str]) -> None:
        """Note ``sentences``, leaving out what is known."""
        self.found += [s for s in dict.fromkeys(sentences) if s not in self.found]

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Note the sentences of an :class:`InputError` raised inside, and go on behind the block."""
        try:
            yield
        except InputError as error:
            self.add(error.problems)

    def check(self) -> None:
        """Raise what was found.

        Raises:
            InputError: Anything was found.
        """
        if self.found:
            raise InputError(self.found)


def one_line(error: BaseException, limit: int = 300) -> str:
    """The error's text without line breaks, cut at ``limit`` characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def few(values: Iterable[object]) -> str:
    """Three short examples, with the number of those left out: ``0.1, 0.2, 0.25 and 97 more``."""
    shown = [f"{v:.4g}" if isinstance(v, float) else _short(str(v)) for v in values]
    return some(shown, 3 if len(shown) > 4 else 4)


def _short(text: str, limit: int = 30) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def too_few_tasks(names: Iterable[str]) -> str:
    """The sentence for fewer than two tasks; empty where there are enough."""
    found = list(names)
    if len(found) >= 2:
        return ""
    return (
        f"a job needs at least two tasks that might share a network, found {f'only `{found[0]}`' if found else 'none'}"
    )


def some(names: Iterable[object], limit: int = 12) -> str:
    """The first names, comma-separated, with the number of those left out."""
    listed = [str(n) for n in names]
    rest = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + rest
