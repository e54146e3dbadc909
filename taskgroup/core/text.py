"""Text from users, made safe to show."""


def printable(text: str) -> str:
    """Control characters as backslash escapes, so that no name can steer a terminal or break a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
