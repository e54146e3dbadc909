import pytest

from taskgroup.core.spec import AdapterSpec
from taskgroup.core.text import printable
from taskgroup.report.text import adapter_mark, amount, percent, plural, shorten


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (999, "999"), (1000, "1 k"), (12_345, "12.3 k"), (999_600, "1000 k"), (1_234_567, "1.23 M"),
     (5.6e9, "5.6 G"), (2e12, "2 T")],
)  # fmt: skip
def test_amount(value: float, text: str) -> None:
    assert amount(value) == text


def test_shorten_keeps_both_ends() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("abcdefghijklmnop", 10) == "abcdef…nop"
    assert len(shorten("x" * 99, 30)) == 30


def test_no_control_character_reaches_a_terminal() -> None:
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert shorten("\x07", 10) == "\\x07"


def test_words() -> None:
    assert (plural(1, "task"), plural(0, "task"), plural(2, "task")) == ("1 task", "0 tasks", "2 tasks")
    assert (percent(0.0123), percent(-0.5)) == ("+1.2 %", "-50.0 %")
    assert adapter_mark(AdapterSpec(stage="s", size=8)) == "adapter 8"
    assert adapter_mark(AdapterSpec(stage="s", size=4, kind="lora", per="branch")) == "adapter 4 (lora, per branch)"
