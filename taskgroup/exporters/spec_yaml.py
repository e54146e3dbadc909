"""The spec as YAML: for people to read, edit and put under version control."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen

if TYPE_CHECKING:
    from _typeshed import SupportsItems

WIDTH = 110
FLAT_KEYS = 4
"""Mappings of at most this many plain values (intervals, costs, adapters) stay on one line."""


ARMS = "arms: on the validation split, where the choice was made; all else in this section is of the split named above"


class Yaml(Frozen):
    """Block style, keys in the spec's own order; matrix rows and small mappings on one line each."""

    suffix: ClassVar[str] = ".yaml"

    def export(self, spec: Spec) -> str:
        """The spec as a YAML document that ``load_spec`` reads back unchanged."""
        text = yaml.dump(
            spec.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=WIDTH
        )
        return re.sub(r"(?m)^  (?=arms:$)", f"  # {ARMS}\n  ", text, count=1) if spec.evidence else text


class _Dumper(yaml.SafeDumper):
    """With ``default_flow_style=None`` PyYAML puts leaf collections on one line; larger mappings unfold here."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(
        self, tag: str, mapping: "SupportsItems[Any, Any] | Iterable[tuple[Any, Any]]", flow_style: bool | None = None
    ) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        length = sum(len(k.value) + len(v.value) + 4 for k, v in node.value)
        if len(node.value) > FLAT_KEYS or length > WIDTH:
            node.flow_style = False
        return node
