"""Crew: hands trials to an executor, answers from disk what was done before, tries again what vanished."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from taskgroup.core.trial import TrialResult, TrialSpec
from taskgroup.errors import TrialError
from taskgroup.pipeline.controls import Controls, Stopped
from taskgroup.pipeline.executors import Ended, Executor
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.progress import Progress

MAX_ATTEMPTS = 3

LOOK_S = 0.25
"""Seconds after which controls are looked at again while nothing happens."""


class Crew:
    """One job's trials.

    Args:
        folder: Where results lie.
        executor: Who does them.
        progress: Told of retries.
        controls: Say how many trials may be under way, and when to stop.

    Attributes:
        reused_s: Seconds that trainings took whose results lay on disk already.
    """

    def __init__(
        self, folder: Folder, executor: Executor, progress: Progress, controls: Controls | None = None
    ) -> None:
        self.folder, self.executor, self.progress = folder, executor, progress
        self.controls = controls or Controls()
        self._running: dict[str, TrialSpec] = {}
        self._twins: Counter[str] = Counter()
        self._attempts: dict[str, int] = {}
        self._ready: deque[TrialResult] = deque()
        self._seen: set[str] = set()
        self.reused_s = 0.0

    @property
    def n_running(self) -> int:
        """Trials that were started and not yet handed back."""
        return len(self._running) + self._twins.total() + len(self._ready)

    @property
    def has_room(self) -> bool:
        """Whether another trial may be started; not before results that are in are handed back.

        Raises:
            Stopped: The job was asked to stop.
        """
        is_ending = self.controls.is_ending
        if is_ending and not self.n_running:
            raise Stopped
        capacity = self.executor.capacity if self.controls.workers is None else self.controls.workers
        return not is_ending and self.n_running < capacity

    def start(self, spec: TrialSpec) -> None:
        """Start a trial, or take its result from disk, or from the same trial where that is under way."""
        if spec.key in self._running:
            self._twins[spec.key] += 1
            return
        known = self.folder.result(spec)
        if known is not None:
            self.reused_s += 0.0 if spec.key in self._seen else known.seconds
            self._finish(known)
            return
        self._attempts[spec.key] = self._attempts.get(spec.key, 0) + 1
        self._running[spec.key] = spec
        self.controls.n_running = len(self._running)
        self.executor.submit(spec)

    def next(self) -> TrialResult:
        """The next result; blocks. A trial whose worker vanished three times comes back as failed.

        Raises:
            Stopped: The job was asked to stop.
        """
        while not self.wait():
            pass
        return self._ready.popleft()

    def wait(self) -> bool:
        """Block until a result is in, or the controls were edited: there may be room for more then.

        Returns:
            Whether a result is in.

        Raises:
            Stopped: The job was asked to stop.
        """
        assert self.n_running, "nothing was started"
        edits = self.controls.edits
        while not self._ready:
            self.controls.check()
            if edits != self.controls.edits:
                return False
            for ended in self.executor.wait(LOOK_S):
                self._take(ended)
        return True

    def _take(self, ended: Ended) -> None:
        """Hand back what a trial gave, or try it again."""
        spec = self._running.pop(ended.key)
        self.controls.n_running = len(self._running)
        result = self._collect(spec, ended.reason)
        if result is not None:
            self.controls.n_finished += 1
            self._finish(result)
        else:
            self.start(spec)

    def _finish(self, result: TrialResult) -> None:
        """Hand back the result as often as it was started."""
        self._seen.add(result.key)
        self._ready.extend([result] * (1 + self._twins.pop(result.key, 0)))

    def _collect(self, spec: TrialSpec, reason: str | None) -> TrialResult | None:
        """The result, or None where the trial is to be tried again."""
        path = self.folder.trials / f"{spec.key}.json"
        if reason is None and path.exists():
            return TrialResult.model_validate_json(path.read_text(encoding="utf-8"))
        reason = reason or "its worker left no result"
        if self._attempts[spec.key] < MAX_ATTEMPTS:
            self.progress.say(f"{spec.step} trial {spec.key}: {reason}; trying again")
            return None
        return TrialResult(key=spec.key, state="failed", message=f"tried {MAX_ATTEMPTS} times, at last {reason}")

    def all(self, specs: Sequence[TrialSpec], done: Callable[[TrialResult], None]) -> list[TrialResult]:
        """Results of ``specs`` in their order; ``done`` is called as each comes in.

        Raises:
            TrialError: One of them failed for good.
        """
        results = {}
        for result in self.each(specs):
            if result.state == "failed":
                spec = next(s for s in specs if s.key == result.key)
                raise TrialError(f"{spec.step} trial {spec.key} (seed {spec.seed}) failed: {result.message}")
            results[result.key] = result
            done(result)
        return [results[spec.key] for spec in specs]

    def each(self, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        """Results of ``specs`` as they come in, failed ones among them."""
        waiting = deque(specs)
        while waiting or self.n_running:
            while waiting and self.has_room:
                self.start(waiting.popleft())
            if self.wait():
                yield self.next()
