"""Figures as SVG text: the same figure always gives the same bytes, and several fit into one page."""

import io
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from taskgroup.report.plots.style import drawing

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_BASE_STYLE = "stroke-linejoin:round;stroke-linecap:butt"
PIXELS_PER_INCH = 96


def svg_text(figure: Figure, name: str) -> str:
    """A file of its own: text stays text, ids follow from ``name`` and the content, no date inside."""
    buffer = io.StringIO()
    with drawing(), mpl.rc_context({"svg.hashsalt": f"taskgroup-{name}"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def inline_svg(svg: str, name: str, description: str) -> str:
    """The same picture as an element of an HTML page.

    Ids get the prefix ``name`` (matplotlib calls the first group of every figure ``figure_1``), the style sheet that
    would reach the whole page becomes an attribute, and the size is left to the page up to its natural width.

    Args:
        svg: From :func:`svg_text`.
        name: Prefix of the ids, unique in the page.
        description: What a reader who cannot see it is told.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _prefix_ids(element, name)
    width = float(root.attrib.pop("width").removesuffix("pt")) / 72 * PIXELS_PER_INCH
    root.attrib.pop("height")
    root.attrib |= {
        "role": "img",
        "aria-label": description,
        "style": f"{_BASE_STYLE};width:100%;max-width:{width:.0f}px;min-width:{min(0.8 * width, 900):.0f}px",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _prefix_ids(element: ElementTree.Element, name: str) -> None:
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
        elif "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))
