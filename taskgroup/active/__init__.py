"""Active measurement knows which groups were trained and how well, and says which to train next; it trains nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from taskgroup.core.cover import Group


@dataclass(frozen=True)
class Request:
    """A network to train: the tasks of ``group`` together, under ``seed``."""

    group: Group
    seed: int = 0


class Asker(Protocol):
    """What proposes networks to train and learns from them; our explorer and the arms it is compared with."""

    def ask(self, n: int = 1) -> tuple[Request, ...]:
        """At most ``n`` networks to train next, all different and none asked for before; none when all are done."""
        ...

    def tell(self, group: Group, errors: Mapping[str, float], seed: int = 0) -> None:
        """Errors (lower is better) of every task of ``group`` in a network trained on it under ``seed``."""
        ...
