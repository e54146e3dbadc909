"""Text from users, made safe to show, and counts in words."""


def plural(count: int, noun: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def sentence_case(text: str) -> str:
    """With a capital at its begin, the rest as it is."""
    return text[:1].upper() + text[1:]


def printable(text: str) -> str:
    """Control characters as backslash escapes, so that no name can steer a terminal or break a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
