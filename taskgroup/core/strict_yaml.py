"""YAML as people mean it: a key that stands twice in one section is a fault, not an overwriting."""

from typing import Any

import yaml

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader by libyaml where there is one: ten times as fast."""


class TwiceError(yaml.YAMLError):
    """A key stands twice in a section.

    Attributes:
        line: Where it does so again, from 1.
    """

    def __init__(self, key: str, line: int) -> None:
        super().__init__(f"key `{key[:100]}` should stand once in its section")
        self.line = line


class Strict(FAST):  # type: ignore[misc,valid-type]
    """Plain data; refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise TwiceError(key.value, key.start_mark.line + 1)
                seen.add((key.tag, key.value))
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def read(text: str) -> Any:
    """Plain data from YAML.

    Raises:
        yaml.YAMLError: It is none, or a key stands twice: :class:`TwiceError`.
    """
    return yaml.load(text, Loader=Strict)
