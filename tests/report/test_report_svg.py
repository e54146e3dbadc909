from xml.etree import ElementTree

from record_fixture import make_record

from taskgroup.report import figures
from taskgroup.report.svg import inline_svg, svg_text

SVG = "{http://www.w3.org/2000/svg}"


def test_text_stays_text_and_nothing_depends_on_the_clock() -> None:
    svg = svg_text(figures(make_record())["topology"], "topology")
    texts = [e.text for e in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert "straight_stroke" in texts
    assert "<dc:date>" not in svg
    assert "Matplotlib" not in svg.partition("<metadata>")[2]


def test_inlining_moves_every_id_and_drops_what_would_reach_the_page() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" height="36pt" '
        'viewBox="0 0 72 36"><metadata>m</metadata><defs><style type="text/css">*{fill:red}</style>'
        '<path id="p"/></defs><g id="g" clip-path="url(#c)" style="fill: url(#h); opacity: 1"><use xlink:href="#p"/>'
        '<text>id="t" &lt;b&gt; url(#x)</text></g></svg>'
    )
    text = inline_svg(svg, "one", 'a "picture"')
    root = ElementTree.fromstring(text)
    group = root.find(f"{SVG}g")
    assert group is not None
    assert group.attrib == {"id": "one-g", "clip-path": "url(#one-c)", "style": "fill: url(#one-h); opacity: 1"}
    use = group.find(f"{SVG}use")
    assert use is not None
    assert use.attrib == {"{http://www.w3.org/1999/xlink}href": "#one-p"}
    assert group.findtext(f"{SVG}text") == 'id="t" <b> url(#x)'
    assert "fill:red" not in text
    assert "metadata" not in text
    assert root.get("aria-label") == 'a "picture"'
    assert "max-width:96px" in str(root.get("style"))
    assert root.get("width") is None
