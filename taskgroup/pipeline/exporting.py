"""Export: a spec, or the network that it describes, in another format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taskgroup.core.spec import Spec
from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.exporters import EXPORTERS, NETWORK_EXPORTERS
from taskgroup.pipeline.loading import find_trunk, inputs_of, read_spec

if TYPE_CHECKING:
    from torch import Tensor

    from taskgroup.nn.network import SharedNetwork
    from taskgroup.nn.trunk import Trunk
    from taskgroup.pipeline.prepared import Prepared

N_ROWS = 8
"""Rows on which an export is compared with the network."""


def formats() -> tuple[str, ...]:
    """Every export format, sorted."""
    return tuple(sorted((*EXPORTERS.names, *NETWORK_EXPORTERS.names)))


def unknown_format(name: str) -> str:
    """The sentence for a name that is no format's."""
    return f"export format should be one of {', '.join(formats())}, found `{name}`{did_you_mean(name, formats())}"


def spec_text(spec: Spec, to: str) -> str:
    """The spec as text of a format that needs the spec alone."""
    text: str = EXPORTERS.create(to, {}).export(spec)
    return text


def export(
    spec: Spec | str | Path,
    to: str,
    out: str | Path,
    *,
    weights: str | Path | None = None,
    trunk: "Trunk | str | None" = None,
) -> tuple[Path, ...]:
    """Write a spec, or its trained network, in another format; the same as ``taskgroup export``.

    Args:
        spec: A spec, a spec file, or the folder of a job.
        to: A name of :data:`taskgroup.exporters.EXPORTERS` or :data:`taskgroup.exporters.NETWORK_EXPORTERS`.
        out: File to write (for ``peft`` a folder).
        weights: Of the network; by default ``weights.safetensors`` in the job's folder, or beside the spec file.
        trunk: The stages, where the spec does not name a built-in trunk: a trunk, or ``module:function`` that gives
            one (the current folder is searched first). A job's folder knows its own.

    Returns:
        The files written, the main one first; of a job's network also ``preprocessing.json``, which says how the job
        made the rows that it takes (standardized numbers, codes of categories) from those of the table.

    Raises:
        InputError: No such format or file, weights of another network, or a spec that the format cannot express.
    """
    if to not in formats():
        raise InputError(unknown_format(to))
    place = None if isinstance(spec, Spec) else Path(spec)
    found = spec if isinstance(spec, Spec) else read_spec(Path(spec))
    path = Path(out)
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent} to write to; make it, or give another --out")
    if to in EXPORTERS.names:
        path.write_text(spec_text(found, to), encoding="utf-8", newline="\n")
        return (path,)
    source = _weights(place, weights)
    _check_target(path, source, to)
    network = _network(found, place, trunk, source)
    written = write_network(found, network, inputs_of(found, place, N_ROWS), to, path)
    return (*written, *_with_preprocessing(place, path))


def _check_target(path: Path, weights: Path, to: str) -> None:
    suffix = NETWORK_EXPORTERS[to]().suffix
    if suffix and path.is_dir():
        raise InputError(f"{path}: should be a file to write, found a folder")
    beside = [path.with_suffix(".safetensors")] if suffix == ".py" else []
    if weights.resolve() in [file.resolve() for file in (path, *beside)]:
        raise InputError(f"{path}: would be written over the network's own weights, {weights}; choose another name")


def _with_preprocessing(job: Path | None, path: Path) -> tuple[Path, ...]:
    """What the job did to inputs and labels, beside what was exported: the network takes rows made so."""
    source = None if job is None else job / "data" / "preprocessing.json"
    if source is None or not source.is_file() or not json.loads(source.read_text(encoding="utf-8")):
        return ()
    target = path / "preprocessing.json" if path.is_dir() else path.with_suffix(".preprocessing.json")
    target.write_bytes(source.read_bytes())
    return (target,)


def write_network(spec: Spec, network: "SharedNetwork", rows: "Tensor", to: str, path: Path) -> tuple[Path, ...]:
    """Write a network with its weights.

    Args:
        spec: Of the network.
        network: Helpers' heads are left out.
        rows: Some of its inputs.
        to: A name of the table of network formats.
        path: File or folder to write.

    Raises:
        InputError: The format cannot express the spec or its trunk.
    """
    from taskgroup.nn.surgery import deployed

    exporter = NETWORK_EXPORTERS.create(to, {})
    written: tuple[Path, ...] = exporter.write(spec, deployed(network).eval(), rows, path)
    return written


def _weights(place: Path | None, given: str | Path | None) -> Path:
    if given is None and place is None:
        raise InputError("export: this format needs the network's weights; pass `weights`, a .safetensors file")
    folder = Path() if place is None else place if place.is_dir() else place.parent
    path = Path(given) if given is not None else folder / "weights.safetensors"
    if not path.is_file():
        hint = "" if given is not None else ", where they lie beside the spec; name them with --weights"
        raise InputError(f"{path}: this format needs the network's weights{hint}; found no such file")
    return path


def _network(spec: Spec, place: Path | None, trunk: "Trunk | str | None", weights: Path) -> "SharedNetwork":
    from taskgroup.nn.build import build
    from taskgroup.nn.weights import load_weights

    return load_weights(build(spec, find_trunk(place, trunk)), weights)


def export_all(job: "Prepared", spec: Spec, weights: Path, folder: Path, names: Sequence[str]) -> list[str]:
    """Write the formats of a config into ``folder``: ``spec.*`` and ``network_FORMAT.*``.

    Returns:
        A sentence for each format that cannot express the spec or its trunk.
    """
    folder.mkdir(exist_ok=True)
    for name in [name for name in names if name in EXPORTERS.names]:
        path = folder / f"spec{EXPORTERS[name]().suffix}"
        path.write_text(spec_text(spec, name), encoding="utf-8", newline="\n")
    faults: list[str] = []
    for name in [name for name in names if name not in EXPORTERS.names]:
        path = folder / f"network_{name.replace('-', '_')}{NETWORK_EXPORTERS[name]().suffix}"
        try:
            network = _network(spec, None, job.trunk, weights)
            write_network(spec, network, job.rows("val").inputs[:N_ROWS], name, path)
            _with_preprocessing(job.folder.path, path)
        except InputError as error:
            faults += error.problems
    return faults
