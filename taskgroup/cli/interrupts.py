"""Ctrl-C that cannot get lost: asked for once, it is raised again at the next word of progress."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from taskgroup.core.record import TrialRow
from taskgroup.pipeline.progress import Progress


class Attentive:
    """Passes progress on, and raises ``KeyboardInterrupt`` where Ctrl-C was pressed and somebody kept it to himself.

    Python raises it wherever it is just then, also inside a callback from C, and some of these drop exceptions.
    """

    def __init__(self, inner: Progress) -> None:
        self.inner, self._pressed = inner, False

    def press(self, number: int, frame: FrameType | None) -> None:
        """Handler of SIGINT."""
        self._pressed = True
        raise KeyboardInterrupt

    def _check(self) -> None:
        if self._pressed:
            raise KeyboardInterrupt

    def begin(self, step: str, total: int) -> None:
        """Passed on."""
        self._check()
        self.inner.begin(step, total)

    def advance(self, done: int, best_gain: float | None = None) -> None:
        """Passed on."""
        self._check()
        self.inner.advance(done, best_gain)

    def trial(self, row: TrialRow) -> None:
        """Passed on."""
        self._check()
        self.inner.trial(row)

    def end(self, note: str) -> None:
        """Passed on."""
        self._check()
        self.inner.end(note)

    def say(self, text: str) -> None:
        """Passed on."""
        self._check()
        self.inner.say(text)


@contextlib.contextmanager
def attentive(progress: Progress) -> Iterator[Progress]:
    """``progress`` that does not lose a Ctrl-C, as long as this lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield progress
        return
    wrapped = Attentive(progress)
    before = signal.signal(signal.SIGINT, wrapped.press)
    try:
        yield wrapped
    finally:
        signal.signal(signal.SIGINT, before)
