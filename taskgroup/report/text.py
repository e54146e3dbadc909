"""Numbers and names as people read them."""

from taskgroup.core.spec import AdapterSpec
from taskgroup.core.text import plural as plural
from taskgroup.core.text import printable

STATES = {"pruned": "stopped early"}
"""States of a trial in words, where they differ from the data's."""

TIMES, MINUS, DASH = "\u00d7", "\u2212", "\u2013"
"""Signs that look like letters or hyphens in code, by name."""


def shorten(text: str, width: int) -> str:
    """At most ``width`` printable characters; both ends of a longer text are kept."""
    text = printable(text)
    if len(text) <= width:
        return text
    tail = (width - 1) // 3
    return text[: width - 1 - tail] + "…" + text[len(text) - tail :]


def amount(value: float) -> str:
    """A count with three digits and a unit prefix: ``12.3 k``, ``1.23 M``."""
    for limit, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}" if abs(value) < 999.5 * limit else f"{value / limit:.0f}{unit}"
    return f"{value:.4g}"


def percent(value: float) -> str:
    """A share as signed percent: ``+1.2 %``."""
    return f"{100 * value:+.1f} %"


def times(ratio: float) -> str:
    """A ratio as a factor: ``1.46 ×``."""
    return f"{ratio:.2f} {TIMES}"


def adapter_mark(adapter: AdapterSpec) -> str:
    """``adapter 8``, with what departs from a bottleneck per task: ``adapter 8 (lora, per branch)``."""
    extras = [adapter.kind] if adapter.kind != "bottleneck" else []
    extras += ["per branch"] if adapter.per == "branch" else []
    return f"adapter {adapter.size}" + (f" ({', '.join(extras)})" if extras else "")
