"""What every export format must keep; a new line in the table is tested here."""

import subprocess
import sys

import pytest
from pydantic import ValidationError
from spec_samples import HOSTILE, make_spec

from taskgroup.errors import InputError
from taskgroup.exporters import EXPORTERS, NETWORK_EXPORTERS


@pytest.mark.parametrize("name", EXPORTERS.names)
def test_same_spec_gives_same_text_and_every_name_is_in_it(name: str) -> None:
    exporter = EXPORTERS[name]()
    text = exporter.export(make_spec(("alpha", "beta", "gamma")))
    assert text == exporter.export(make_spec(("alpha", "beta", "gamma")))
    assert text.endswith("\n")
    for word in ("alpha", "beta", "gamma", "stem", "body", "bottleneck"):
        assert word in text


@pytest.mark.parametrize("name", EXPORTERS.names)
def test_suffix_is_a_file_name_ending(name: str) -> None:
    assert EXPORTERS[name]().suffix.startswith(".")


@pytest.mark.parametrize("name", EXPORTERS.names)
def test_no_name_can_break_out_of_its_line(name: str) -> None:
    """As many lines for hostile names as for plain ones, and no control character left."""
    exporter = EXPORTERS[name]()
    plain = exporter.export(make_spec(tuple(f"t{k}" for k in range(len(HOSTILE)))))
    hostile = exporter.export(make_spec(HOSTILE))
    if name != "yaml":  # it may fold a quoted name; that it reads back is tested with the files
        assert hostile.count("\n") == plain.count("\n")
    assert "\x00" not in hostile


@pytest.mark.parametrize("name", EXPORTERS.names)
def test_one_task_is_a_spec_too(name: str) -> None:
    assert "only" in EXPORTERS[name]().export(make_spec(("only",)))


@pytest.mark.parametrize("name", EXPORTERS.names)
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="colour"):
        EXPORTERS.create(name, {"colour": "red"})


def test_unknown_format_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"export format should be one of .* found `mermaidd`, did you mean `mermaid`"):
        EXPORTERS["mermaidd"]


@pytest.mark.parametrize("name", NETWORK_EXPORTERS.names)
def test_formats_of_the_network_end_in_a_suffix_or_are_folders_and_refuse_unknown_options(name: str) -> None:
    assert NETWORK_EXPORTERS[name]().suffix[:1] in ("", ".")
    with pytest.raises(ValidationError, match="colour"):
        NETWORK_EXPORTERS.create(name, {"colour": "red"})


def test_no_name_is_in_both_tables() -> None:
    assert set(EXPORTERS.names).isdisjoint(NETWORK_EXPORTERS.names)


def test_the_tables_load_no_torch() -> None:
    code = "import sys; from taskgroup.exporters import EXPORTERS as E, NETWORK_EXPORTERS as N; E['svg'], N.names"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
