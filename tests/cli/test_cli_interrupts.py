"""A Ctrl-C that somebody dropped is raised again at the next word of progress; afterwards everything is as before."""

import contextlib
import os
import signal
import threading

import pytest

from taskgroup.cli.interrupts import attentive
from taskgroup.pipeline.progress import Progress, Silent

WORDS = {
    "begin": lambda progress: progress.begin("search", 3),
    "advance": lambda progress: progress.advance(1, 0.1),
    "end": lambda progress: progress.end("done"),
    "say": lambda progress: progress.say("something"),
}


def speak(progress: Progress, word: str) -> None:
    WORDS[word](progress)


@pytest.mark.parametrize("word", WORDS)
def test_a_dropped_interrupt_comes_back(word: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    with attentive(Silent()) as progress:
        speak(progress, word)
        with contextlib.suppress(KeyboardInterrupt):  # somebody who keeps it to himself
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            speak(progress, word)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_has_no_handlers_to_change() -> None:
    found: list[Progress] = []

    def work() -> None:
        with attentive(silent) as progress:
            found.append(progress)

    silent = Silent()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [silent]
