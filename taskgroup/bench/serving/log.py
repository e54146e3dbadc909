"""What a job's log says was tried again, and why."""

import re
from collections import Counter
from collections.abc import Sequence

from taskgroup.service.model import Event

AGAIN = "; trying again"
_PLACE = re.compile(r" \(process \d+ on node [^)]*\([0-9a-f]+\)\)")
_OWNER = re.compile(r" \(\S+ did not renew its lease\)$")


def reasons(events: Sequence[Event]) -> Counter[str]:
    """Of trials that were tried again and runs that ended before the job was over; places and names left out."""
    found: Counter[str] = Counter()
    for event in events:
        if event.kind == "note" and event.text.endswith(AGAIN):
            found["trial: " + _PLACE.sub("", event.text.removesuffix(AGAIN).split(": ", 1)[1])] += 1
        elif event.kind == "state" and event.data.get("state") == "queued" and event.data.get("reason"):
            reason = str(event.data["reason"]).split("; it goes on in")[0]
            found["job: " + _OWNER.sub("", reason)] += 1
    return found


def count(events: Sequence[Event], pattern: str) -> int:
    """How many trials were tried again for a reason in which ``pattern`` is found."""
    return sum(n for reason, n in reasons(events).items() if re.search(pattern, reason) and reason.startswith("trial"))
