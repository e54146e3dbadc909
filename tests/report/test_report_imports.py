import subprocess
import sys

import pytest


def loaded_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["taskgroup.report", "taskgroup.exporters"])
def test_importing_is_light(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert module in loaded
    assert not {"torch", "optuna", "pandas", "matplotlib", "scipy", "jinja2", "networkx"} & loaded


def test_drawing_needs_neither_torch_nor_pyplot() -> None:
    loaded = loaded_after("import taskgroup.report.page")
    assert "matplotlib" in loaded
    assert not {"torch", "optuna", "matplotlib.pyplot"} & loaded
