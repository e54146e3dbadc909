"""What a finished job found, for a config that may have changed since; loads no torch where it has not."""

from taskgroup.core.record import Record
from taskgroup.errors import ConflictError, InputError
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder


def finished_record(folder: Folder, config: Config) -> Record | None:
    """The record if the job is done, None if it is not.

    Raises:
        InputError: The config is another one, and its methods or their options are faulty.
        ConflictError: The config is another one.
    """
    try:
        return folder.finished(config.to_dict())
    except ConflictError:
        from taskgroup.pipeline.faults import method_faults

        faults = method_faults(config.to_dict(), config.name)
        if faults:  # nobody wants to make room for a config that cannot run
            raise InputError(faults) from None
        raise
