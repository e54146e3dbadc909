"""Source: models of the transformers library from plain data or a local folder; nothing is downloaded."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.nn.huggingface.inputs import said


def from_config(data: Mapping[str, Any]) -> nn.Module:
    """A model with random weights.

    Args:
        data: Its configuration: ``model_type`` and the fields of that type's config class.

    Raises:
        InputError: transformers is missing, or the data are no configuration.
    """
    transformers = library()
    model_type, options = data.get("model_type"), {k: v for k, v in data.items() if k != "model_type"}
    known = transformers.CONFIG_MAPPING
    if not isinstance(model_type, str) or model_type not in known:
        raise InputError(
            f"trunk.model: `model_type` should be one that transformers {transformers.__version__} knows (bert, "
            f"roberta, distilbert, vit, ...), found `{model_type}`{did_you_mean(str(model_type), tuple(known))}"
        )
    kind = known[model_type]
    with quiet(transformers):
        _check_fields(kind, options)
        try:
            made: nn.Module = transformers.AutoModel.from_config(kind(**options), trust_remote_code=False)
        except Exception as error:  # whatever the library raises on these values
            raise InputError(
                f"trunk.model: {kind.__name__} does not make a model of these values: {said(error)}"
            ) from error
    return made


def _check_fields(kind: Any, options: Mapping[str, Any]) -> None:
    """Config classes keep whatever they are given: a misspelt field would be lost without a word."""
    names = (*(n for n in vars(kind()) if not n.startswith("_")), *kind.attribute_map, "attn_implementation")
    unknown = [name for name in options if name not in names]
    if unknown:
        raise InputError(
            f"trunk.model: `{name}` is not a field of {kind.__name__}{did_you_mean(name, names)}" for name in unknown
        )


def from_folder(path: str) -> tuple[nn.Module, tuple[str, ...]]:
    """A model with the weights of a folder as ``save_pretrained`` writes it, and the names of weights it lacks.

    Raises:
        InputError: transformers is missing, or the folder is missing or holds no model.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"trunk.path: should be a folder with config.json and weights, as save_pretrained writes it, found none at "
            f"`{path}`; nothing is downloaded"
        )
    transformers = library()
    with quiet(transformers):
        try:
            model, found = transformers.AutoModel.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False, dtype="float32", output_loading_info=True
            )
        except Exception as error:  # whatever the library raises on these files
            raise InputError(f"trunk.path: `{path}` holds no model that can be read: {said(error)}") from error
    return model, tuple(sorted(found["missing_keys"]))


def library() -> Any:
    """The transformers library, imported here and nowhere else since that takes seconds.

    Raises:
        InputError: It is missing.
    """
    try:
        return import_module("transformers")
    except ImportError as error:
        raise InputError(
            f'trunk: hf needs the transformers library ({error}); run: pip install "taskgroup-mtl[hf]"'
        ) from error


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """No progress bars, no deprecations among others' libraries, no reports that are said here in our own words."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
