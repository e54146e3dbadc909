"""Runs the command line: ``python -m taskgroup``."""

from taskgroup.cli import main

if __name__ == "__main__":
    main()
