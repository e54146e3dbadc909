"""Names in written code, and comments that hold text of the user's."""

import keyword
import re
from collections.abc import Iterable

from torch import nn

from taskgroup.core.text import printable

WIDTH = 120
_RESERVED = {
    *dir(nn.Module()),
    *keyword.kwlist,
    "heads",
    "rows",
    "self",
    "torch",
    "nn",
    "F",
    "math",
    "joined",
    "parted",
}


class Names:
    """Identifiers, each given once."""

    def __init__(self) -> None:
        self._taken = set(_RESERVED)

    def take(self, wanted: str) -> str:
        """``wanted``, with a number behind it where that name is taken."""
        name, k = wanted, 2
        while name in self._taken:
            name, k = f"{wanted}_{k}", k + 1
        self._taken.add(name)
        return name


def identifier(text: str, otherwise: str) -> str:
    """``text`` with underscores for what no ASCII name may hold; ``otherwise`` where little is left of it."""
    name = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")
    return name if re.match(r"[a-z]", name) and len(name) <= 40 else otherwise


def class_name(text: str, otherwise: str) -> str:
    """``Layer1`` for ``layer1``."""
    return "".join(word[:1].upper() + word[1:] for word in identifier(text, otherwise).split("_"))


def commented(line: str, comment: str, indent: int = 0) -> str:
    """``line`` with a comment behind it, as much of the comment as the width allows."""
    room = max(WIDTH - indent - len(line) - 4, 24)
    text = printable(comment)
    return f"{line}  # {text if len(text) <= room else text[: room - 1] + '…'}"


def listed(names: Iterable[str]) -> str:
    """``a, b``."""
    return ", ".join(names)


def quoted(text: str) -> str:
    """A string literal, in double quotes where that needs no escapes."""
    shown = repr(text)
    return f'"{text}"' if shown == f"'{text}'" and '"' not in text else shown
