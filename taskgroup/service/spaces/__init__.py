"""Search spaces to begin with: for the page's form, and as examples of what to post."""

from functools import cache
from importlib.resources import files

import yaml

from taskgroup.service.views import SpaceView


@cache
def spaces() -> tuple[SpaceView, ...]:
    """In the order of the file names; the first comment line is the title."""
    found = []
    for file in sorted(files(__name__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            text = file.read_text(encoding="utf-8")
            title = text.partition("\n")[0].removeprefix("# ")
            name = file.name.removesuffix(".yaml").partition("-")[2]
            found.append(SpaceView(name=name, title=title, config=yaml.safe_load(text)))
    return tuple(found)
