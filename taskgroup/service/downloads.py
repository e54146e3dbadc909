"""A job's plan in other formats: written by the job, or made of the spec on the way."""

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from taskgroup.errors import InputError
from taskgroup.exporters import EXPORTERS, NETWORK_EXPORTERS
from taskgroup.pipeline.exporting import formats, spec_text, unknown_format
from taskgroup.service.artefacts import Artefacts
from taskgroup.service.model import Job
from taskgroup.service.refusal import RefusedError
from taskgroup.service.security.paths import contained
from taskgroup.service.views import ExportList, ExportView

CHUNK = 1 << 18

MEDIA = {"json": "application/json", "svg": "image/svg+xml", "yaml": "application/yaml", "zip": "application/zip"}
"""Of endings; others are bytes to a browser."""


def media_type(name: str) -> str:
    """Of a file that is downloaded."""
    return MEDIA.get(name.rpartition(".")[2], "application/octet-stream")


def exports(job: Job, artefacts: Artefacts) -> ExportList:
    """Every format that can be had of a finished job: those of the spec always, of the network what it wrote."""
    artefacts.find(job, "spec.yaml", "the plan")
    found = [ExportView(format=name, of="spec", file=f"spec{EXPORTERS[name]().suffix}") for name in EXPORTERS.names]
    for name in NETWORK_EXPORTERS.names:
        files = _files(job, artefacts, name)
        if files:
            found.append(ExportView(format=name, of="network", file=_sent_name(name, files)))
    return ExportList(exports=tuple(found))


def export_text(job: Job, artefacts: Artefacts, name: str) -> str:
    """A format of the spec.

    Raises:
        RefusedError: 404 where there is no spec yet, 422 where the format cannot express it.
    """
    spec = artefacts.spec(job)
    try:
        with artefacts.drawing:  # some draw, with a library that is not made for threads
            return spec_text(spec, name)
    except InputError as error:
        raise RefusedError(422, error.problems) from None


def export_file(job: Job, artefacts: Artefacts, name: str) -> tuple[str, IO[bytes]]:
    """Name and bytes of a format of the network: its file, or an archive where it is several.

    Raises:
        RefusedError: 404 where there is no such format, or the job did not write it.
    """
    artefacts.find(job, "spec.yaml", "the plan")
    files = _files(job, artefacts, name)
    if not files:
        raise RefusedError(
            404,
            f"`{job.name}` did not write its network as {name}; name it in the config's export.formats, or run "
            f"`taskgroup export {artefacts.root / job.name} --to {name}` on the server",
        )
    sent = _sent_name(name, files)
    return sent, files[0].open("rb") if len(files) == 1 else _zipped(files, _folder(job, artefacts))


def check_format(name: str) -> None:
    """See that there is such a format.

    Raises:
        RefusedError: 404.
    """
    if name not in formats():
        raise RefusedError(404, unknown_format(name))


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces; closes it."""
    with stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _folder(job: Job, artefacts: Artefacts) -> Path:
    return artefacts.root / job.name / "exports"


def _files(job: Job, artefacts: Artefacts, name: str) -> list[Path]:
    """The files of a network format; found by their names, so that no library of a format is loaded."""
    folder = _folder(job, artefacts)
    stem = f"network_{name.replace('-', '_')}"
    found = [*sorted(folder.glob(f"{stem}.*")), *sorted((folder / stem).rglob("*"))]
    return [contained(path, artefacts.root) for path in found if path.is_file()]


def _sent_name(name: str, files: list[Path]) -> str:
    return files[0].name if len(files) == 1 else f"network_{name.replace('-', '_')}.zip"


def _zipped(files: list[Path], folder: Path) -> IO[bytes]:
    """An archive on disk that vanishes when it is closed."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115 (who sends it closes it)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder).as_posix())
    stream.seek(0)
    return stream
