"""What code cannot express."""


class InexpressibleError(Exception):
    """A module that cannot be written as code.

    Args:
        part: What it is: its path inside the stage and its class.
        reason: Why not.
    """

    def __init__(self, part: str, reason: str) -> None:
        self.part, self.reason = part, reason
        super().__init__(f"{part}: {reason}")
