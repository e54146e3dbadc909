"""Nothing heavy is loaded before it is needed."""

import subprocess
import sys

import pytest

HEAVY = "{'torch', 'optuna', 'pandas', 'sklearn', 'matplotlib', 'scipy'}"


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["run", "--help"], ["measure", "--help"], ["group", "--help"], ["cost", "--help"]],
    ids=" ".join,
)
def test_command_line_starts_light(words: list[str]) -> None:
    code = (
        "import sys; from taskgroup.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        f"print(); print(sorted({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_package_starts_light() -> None:
    code = f"import taskgroup, sys; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "taskgroup", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("taskgroup ")
