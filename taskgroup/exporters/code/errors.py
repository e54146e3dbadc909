"""What code cannot express."""


class InexpressibleError(Exception):
    """A module that cannot be written as code.

    Args:
        part: What it is: its path inside the stage and its class.
        reason: Why not.
    """

    def __init__(self, part: str, reason: str) -> None:
        self.part, self.reason = part, reason
        super().__init__(f"`{part}`: {reason}")


def first_line(error: BaseException) -> str:
    """What torch says of a trace that failed, without its pages of advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if lines[0].startswith("Constraints violated"):
        return "it holds for batches of one size only"
    return lines[0]
