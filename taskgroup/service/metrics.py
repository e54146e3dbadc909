"""Figures for Prometheus, each server's its own."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskgroup.service.model import Event, JobState
from taskgroup.service.store import JobStore

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What is counted while the server runs, and what is read from the store when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "taskgroup_http_requests_total", "Answered requests.", ("method", "route", "status"), registry=self.registry
        )
        self.latency = Histogram(
            "taskgroup_http_request_seconds",
            "Time until an answer was complete, event streams left out.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge("taskgroup_event_streams", "Open event streams.", registry=self.registry)
        self._jobs = Gauge("taskgroup_jobs", "Jobs by state.", ("state",), registry=self.registry)
        self._trials = Counter(
            "taskgroup_trials_told_total", "Search trials told since this server runs.", registry=self.registry
        )
        self._queue = Gauge(
            "taskgroup_queue_age_seconds", "How long the oldest queued job has waited.", registry=self.registry
        )

    def see(self, event: Event) -> None:
        """Count an event."""
        if event.kind == "trial":
            self._trials.inc()

    def text(self, store: JobStore) -> bytes:
        """All figures in the text format."""
        counts = store.counts()
        for state in JobState:
            self._jobs.labels(state.value).set(counts.get(state, 0))
        n_queued = counts.get(JobState.QUEUED, 0)
        oldest, _ = store.jobs(states=(JobState.QUEUED,), limit=1, offset=max(0, n_queued - 1))
        self._queue.set(max(0.0, time.time() - oldest[0].created) if oldest else 0.0)
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware: counts requests and takes their time.

    Args:
        app: What lies behind.
        metrics: Of the server.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, is_stream, started = 0, False, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = (b"content-type", b"text/event-stream; charset=utf-8") in message["headers"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            if not is_stream:
                self._metrics.latency.labels(route).observe(time.perf_counter() - started)


METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Others are counted as one, so that a client cannot make rows without end."""
