"""Guard: worker processes import the script that started them, which must not start everything again."""

import multiprocessing
import sys
from pathlib import Path

RULE = 'a script should do this under `if __name__ == "__main__":`, since every worker process imports it'


def main_fault(workers: int) -> str:
    """What is wrong with the main module, in words; empty if nothing is known to be.

    Args:
        workers: Worker processes that are about to be started; 1 starts none.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that is importing the script
        return RULE
    main = sys.modules.get("__main__")
    path = Path(getattr(main, "__file__", None) or "")
    spec = getattr(main, "__spec__", None)
    if workers < 2 or path.suffix != ".py" or (spec is not None and spec.name.endswith("__main__")):
        return ""  # what no worker imports
    if not path.is_file() or "__name__" in path.read_text(encoding="utf-8", errors="replace"):
        return ""
    return f"{RULE}; found none in {path.name} and workers={workers}"
