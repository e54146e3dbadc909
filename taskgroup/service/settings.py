"""What an operator decides about a server, checked before it listens."""

import ipaddress
import re
import socket
import stat
from pathlib import Path

from pydantic import Field, SecretStr

from taskgroup.core.task import Frozen
from taskgroup.errors import InputError

MIB = 1024 * 1024
MIN_TOKEN = 16
"""Characters of a token; fewer can be guessed."""


class Settings(Frozen):
    """Of one server.

    Attributes:
        data_root: Folder of uploads, jobs and, by default, the database.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: Lets its bearer do everything; None where no token is asked for.
        read_token: Lets its bearer read.
        allow_python: Modules whose functions may be problems.
        allow_host: Further names under which clients may call the server.
        max_upload_bytes: Largest table.
        storage: Database of all studies; None where each lies in its run directory.
    """

    data_root: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    token: SecretStr | None = None
    read_token: SecretStr | None = None
    allow_python: tuple[str, ...] = ()
    allow_host: tuple[str, ...] = ()
    max_upload_bytes: int = Field(default=256 * MIB, ge=1)
    storage: SecretStr | None = None

    @property
    def uploads(self) -> Path:
        """Folder of uploaded tables."""
        return self.data_root / "uploads"

    @property
    def jobs(self) -> Path:
        """Folder of the jobs' run directories."""
        return self.data_root / "jobs"

    @property
    def hosts(self) -> frozenset[str]:
        """Names under which clients may call the server; addresses are judged by :attr:`is_loopback`."""
        own = set() if self.is_loopback else {socket.gethostname().lower(), self.host.lower()}
        return frozenset({"localhost", *own, *(name.lower() for name in self.allow_host)})

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address or name stands for this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_tokens(path: Path) -> tuple[SecretStr, SecretStr | None]:
    """The token that may do everything, and the one that may read if there is a second line.

    Raises:
        InputError: No such file, or tokens that are too short, alike or not plain text; tokens are not shown.
    """
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"--token-file {path}: should be plain ASCII text, found other bytes") from None
    except OSError as error:
        raise InputError(f"--token-file {path}: cannot be read: {error.strerror}") from None
    tokens = [line.strip() for line in lines if line.strip()]
    if not 1 <= len(tokens) <= 2:
        raise InputError(f"--token-file {path}: should hold one token a line, one or two, found {len(tokens)} lines")
    for number, token in enumerate(tokens, 1):
        if not re.fullmatch(rf"[!-~]{{{MIN_TOKEN},}}", token):
            raise InputError(
                f"--token-file {path}, line {number}: a token should have at least {MIN_TOKEN} characters without "
                f"spaces, found {len(token)}; e.g. of `openssl rand -hex 32`"
            )
    if len(set(tokens)) < len(tokens):
        raise InputError(f"--token-file {path}: both tokens are the same; the second may only read")
    return SecretStr(tokens[0]), SecretStr(tokens[1]) if len(tokens) > 1 else None


def others_may_read(path: Path) -> bool:
    """Whether every user of the machine may read a file."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def check_address(settings: Settings) -> None:
    """See that nobody but this machine reaches a server without a token.

    Raises:
        InputError: The address is another one and there is no token.
    """
    if not settings.is_loopback and settings.token is None:
        raise InputError(
            f"--host {settings.host}: other machines could reach the server, which needs --token-file FILE then (first "
            "line: the token; second line, if any: one that may only read)"
        )
