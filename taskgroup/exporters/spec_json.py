"""The spec as JSON: for programs."""

import json
from typing import ClassVar

from pydantic import Field

from taskgroup.core.spec import Spec
from taskgroup.core.task import Frozen


class Json(Frozen):
    """Standard JSON in UTF-8, keys in the spec's own order.

    Attributes:
        indent: Spaces per level, from 0 to 8.
    """

    suffix: ClassVar[str] = ".json"
    indent: int = Field(default=2, ge=0, le=8)

    def export(self, spec: Spec) -> str:
        """The spec as a JSON document that ``load_spec`` reads back unchanged."""
        return json.dumps(spec.to_dict(), indent=self.indent, ensure_ascii=False) + "\n"
