"""The examples of docs/grouping.md run and print what stands below them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "grouping.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, flags=re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2
    assert TEXT.count("```python") == len(EXAMPLES)


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=["selection", "explorer"])
def test_an_example_prints_what_stands_below_it(code: str, printed: str) -> None:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
