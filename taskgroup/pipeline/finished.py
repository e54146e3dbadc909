"""What a finished job found, for a config and files that may have changed since; loads no torch where none has."""

from pathlib import Path

from taskgroup.core.record import Record
from taskgroup.errors import ConflictError, InputError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.problem_files import check_files


def finished_record(folder: Folder, config: Config, base: Path) -> Record | None:
    """The record if the job is done, None if it is not.

    Args:
        folder: Run directory.
        config: What is asked for.
        base: Folder that relative paths of the config start from.

    Raises:
        InputError: The config is another one, and its methods or their options are faulty.
        ConflictError: The config is another one, or a file that it names for its rows has changed.
    """
    try:
        record = folder.finished(config.to_dict())
    except ConflictError:
        from taskgroup.pipeline.faults import method_faults

        faults = method_faults(config.to_dict(), config.name)
        if faults:  # nobody wants to make room for a config that cannot run
            raise InputError(faults) from None
        raise
    if record is not None:
        check_files(config, base, folder)
    return record
