import subprocess
import sys
from pathlib import Path

import pytest
from spec_samples import HOSTILE, make_spec

from taskgroup.core.gain import Interval
from taskgroup.core.spec import ArmEvidence, Evidence, Spec, TaskEvidence, Verdict
from taskgroup.errors import InputError
from taskgroup.exporters import load_spec, save_spec

YAML_TRAPS = ("yes", "1", "1e3", "2020-01-01", "~", "- x", "a: b", "# c", " padded ", "\u2028")


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json"])
@pytest.mark.parametrize("names", [("a", "b", "c"), ("only",), HOSTILE, YAML_TRAPS, ("x" * 300, "y")])
def test_a_saved_spec_loads_back_equal(tmp_path: Path, suffix: str, names: tuple[str, ...]) -> None:
    spec, path = make_spec(names), tmp_path / f"spec.{suffix}"
    save_spec(spec, path)
    assert load_spec(path) == spec
    assert load_spec(str(path)).fingerprint == spec.fingerprint


def test_yaml_is_for_reading(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    save_spec(make_spec(), path)
    lines = path.read_text().splitlines()
    assert lines[0] == "schema: taskgroup/spec/1"
    assert [line.split(":")[0] for line in lines if line[0] not in " -"] == [
        "schema", "tasks", "trunk", "architecture", "cost", "evidence", "provenance", "fingerprint",
    ]  # fmt: skip
    assert "    - [0, 1, 1]" in lines
    assert "  - {stage: stem, kind: bottleneck, size: 8, per: branch}" in lines
    assert "  - name: a" in lines


def test_validation_figures_are_marked_as_such(tmp_path: Path) -> None:
    """`split: test` stands above them."""
    gain = Interval(mean=0.1, low=0.0, high=0.2)
    gains = {"gain_vs_separate": gain, "gain_vs_shared": gain}
    spec = make_spec()
    assert spec.cost is not None
    arm = ArmEvidence(name="arms", fingerprint="f", cost=spec.cost, chosen=True, **gains)
    errors = {"error": 0.1, "error_separate": 0.1, "error_shared": 0.1}
    found = Evidence(
        level=0.9,
        seeds=(1, 2),
        split="test",
        shared_vs_separate=gain,
        tasks=tuple(TaskEvidence(task=t, metric="r2", **errors, **gains) for t in spec.tasks.names),
        arms=(arm,),
        verdict=Verdict(code="not_enough", text="No."),
        **gains,
    )
    whole = Spec.from_dict({**spec.to_dict(), "evidence": found.model_dump(mode="json"), "fingerprint": ""})
    path = tmp_path / "spec.yaml"
    save_spec(whole, path)
    lines = path.read_text().splitlines()
    at = lines.index("  arms:")
    assert lines[at - 1].startswith("  # arms: on the validation split")
    assert load_spec(path) == whole
    save_spec(spec, path)
    assert "#" not in path.read_text()


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_spec(tmp_path)
    assert str(caught.value) == f"{tmp_path}: should be a spec file, found a folder"
    save_spec(make_spec(), tmp_path / "spec.yaml")
    with pytest.raises(InputError) as caught:
        load_spec(tmp_path)
    assert str(caught.value).endswith(f"found a folder, did you mean `{tmp_path / 'spec.yaml'}`?")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("s.yaml", "schema: taskgroup/spec/1\ntasks: [a\ntrunk: b\n", r"s\.yaml, line 3: not valid YAML: "),
        ("s.yaml", "a: 1\nb: \x07\n", r"s\.yaml, line 2: not valid YAML: "),
        (
            "s.yaml",
            "a: !!python/object/apply:os.system [ls]\n",
            r"s\.yaml, line 1: not valid YAML: could not determine",
        ),
        ("s.yaml", "a: 1\nb: 2\na: 3\n", r"s\.yaml, line 3: key `a` should stand once in its section"),
        ("s.json", '{\n"schema": 1,\n}', r"s\.json, line 3: not valid JSON: "),
        ("s.yaml", "", r"s\.yaml: a spec should be a mapping, found nothing"),
        ("s.yaml", "schema: taskgroup/spec/2\n", r"`schema` should be `taskgroup/spec/1`.* found `taskgroup/spec/2`"),
        ("s.json", '{"schema": "taskgroup/spec/1", "trunks": 1}', r"s\.json: `trunks` is not a known key.*`trunk`"),
        ("s.toml", "x = 1", r"s\.toml: a spec file should end in \.json, \.yaml, \.yml, found `\.toml`"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        load_spec(path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read: No such file"):
        load_spec(tmp_path / "gone.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InputError, match=r"folder\.yaml: should be a spec file, found a folder$"):
        load_spec(tmp_path / "folder.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(InputError, match=r"latin\.yaml: a spec should be UTF-8 text, found byte 0xe9"):
        load_spec(tmp_path / "latin.yaml")


def test_an_edited_spec_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    save_spec(make_spec(), path)
    path.write_text(path.read_text().replace("size: 8", "size: 9"))
    with pytest.raises(InputError, match="the file was edited by hand"):
        load_spec(path)


def test_a_spec_is_saved_under_a_known_suffix_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found `\.txt`"):
        save_spec(make_spec(), tmp_path / "spec.txt")
    assert not list(tmp_path.iterdir())


def test_loading_a_spec_loads_no_heavy_library(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    save_spec(make_spec(), path)
    code = f"import taskgroup, sys; taskgroup.load_spec({str(path)!r}); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "optuna", "pandas", "matplotlib", "networkx"} & set(loaded)
