"""A client that follows a job all the time, to tell whether it was told everything once."""

import threading

from taskgroup.errors import TaskgroupError

PATIENCE_S = 1200.0
"""For a server to come back."""


class Follower:
    """A client that follows a job by its event stream, whatever becomes of the server.

    Args:
        url: Of the server.
        name: Of the job.
    """

    def __init__(self, url: str, name: str) -> None:
        self.ids: list[int] = []
        self.error = ""
        self._thread = threading.Thread(target=self._follow, args=(url, name), daemon=True)
        self._thread.start()

    def _follow(self, url: str, name: str) -> None:
        from taskgroup.service.client import Client

        try:
            with Client(url, patience_s=PATIENCE_S) as client:
                for event in client.events(name):
                    self.ids.append(event.id)
        except TaskgroupError as error:
            self.error = str(error)

    def ended(self) -> tuple[int, ...]:
        """Ids of the events that it saw, once the job is over."""
        self._thread.join(60.0)
        return tuple(self.ids)
