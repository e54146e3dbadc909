"""``taskgroup group``: the recommendation first, no torch, and sentences with exit code 2."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from taskgroup import cli
from taskgroup.core.affinity import Affinity
from taskgroup.core.record import Proposals
from taskgroup.pipeline.folder import Folder

NAMES = ("mass", "digit", "odd", "loops", "ink\x1b[31m", "tilt")
BLOCKS = np.kron(np.eye(2), np.ones((3, 3)))


def write(folder: Path, signal: float = 1.0) -> Path:
    """A run's affinity in which the first three and the last three tasks belong together from the second stage on."""
    rng = np.random.default_rng(1)
    values = signal * np.stack([0 * BLOCKS, BLOCKS, BLOCKS, BLOCKS]) + rng.normal(0, 0.1, (4, 6, 6))
    names = ("s1", "s2", "s3", "trunk")
    folder.mkdir()
    Folder(folder).write_affinity(Affinity(NAMES, names, values, np.full(values.shape, 0.1), np.ones((4, 6, 6), int)))
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *words: str | Path, code: int = 0) -> None:
    monkeypatch.setattr(sys, "argv", ["taskgroup", "group", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert (stop.value.code or 0) == code


def test_recommendation_first_then_what_it_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write(tmp_path / "run")
    call(monkeypatch, run, "--out", tmp_path / "found.json")
    out = capsys.readouterr().out
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "2 groups (6 tasks, slice trunk, centred-mean)"
    assert lines[1:3] == ["  mass, digit, odd", "  loops, ink\\x1b[31m, tilt"]
    assert "\x1b" not in out
    assert max(map(len, lines)) <= 100
    titles = [line for line in lines if line and line[0] not in " ─"][1:]
    assert titles[:3] == ["Numbers of groups", "Proposals", "Over the stages"]
    assert titles[3] == "Pairs in 50 redrawn affinities"
    assert "  s1: all together" in lines
    assert "  s2 to s3: mass, digit, odd | loops, ink\\x1b[31m, tilt" in lines
    assert titles[-1] == f"wrote {tmp_path / 'found.json'}"
    found = Proposals.model_validate_json((tmp_path / "found.json").read_text())
    assert found.recommended is not None
    assert found.recommended.groups[0] == NAMES[:3]


def test_noise_is_all_together_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, write(tmp_path / "run", 0.0) / "affinity.csv", "--seed", "3")
    out = capsys.readouterr().out
    assert out.startswith("All together (6 tasks, ")
    assert "does not separate groups beyond its error bars" in " ".join(out.split())


def test_options_reach_the_proposals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = write(tmp_path / "run"), tmp_path / "found.json"
    words = ["--with", "spectral,hierarchical(linkage=ward)", "--given", "mass,digit/odd,loops", "--must-link"]
    words += ["mass,digit", "--cannot-link", "odd,tilt", "--max-size", "3", "--stage", "s2", "--draws", "7"]
    call(monkeypatch, run, *words, "--symmetrization", "centred-min", "--out", out)
    found = Proposals.model_validate_json(out.read_text())
    assert (found.n_draws, found.symmetrization) == (7, "centred-min")
    assert any("given" in p.source for p in found.proposals)
    assert any("spectral(centred-min)" in p.source for p in found.proposals)
    for proposal in found.proposals:
        where = {task: k for k, group in enumerate(proposal.grouping.groups) for task in group}
        assert where["mass"] == where["digit"]
        assert where["odd"] != where["tilt"]
        assert max(map(len, proposal.grouping.groups)) <= 3
    call(monkeypatch, run, "--groups", "4", "--out", out)
    assert {len(p.grouping) for p in Proposals.model_validate_json(out.read_text()).proposals} == {4}
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.npz"], "nowhere.npz: should be a file that can be read, found: No such file or directory"),
        (["run", "--with", "spectrl"], "found `spectrl`, did you mean `spectral`?"),
        (["run", "--given", "mass,nobody"], "`groups` should name tasks of the problem, found `nobody`"),
        (["run", "--must-link", "mass,digt"], "found `digt`, did you mean `digit`?"),
        (["run", "--stage", "s9"], "`stage` should be one of s1, s2, s3, trunk, found `s9`"),
        (["run", "--symmetrization", "mean"], "`symmetrization` should be one of centred-mean"),
        (["run", "--out", "no/such/found.json"], "there is no folder no/such to write to"),
    ],
)
def test_faults_are_one_sentence_and_code_2(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "run")
    call(monkeypatch, *words, code=2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("taskgroup: ")
    assert sentence in printed.err


def test_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from taskgroup.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "print(); print(sorted({'torch', 'optuna', 'matplotlib'} & set(sys.modules)))"
    )
    words = [sys.executable, "-W", "error", "-c", code, "group", str(write(tmp_path / "run")), "--draws", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_ones_own_groups_are_printed_however_poor_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("taskgroup.cli.grouping_view.N_SHOWN", 2)
    call(monkeypatch, write(tmp_path / "run"), "--given", "mass,loops/digit,tilt")
    shown = capsys.readouterr().out
    table = shown.split("\nProposals\n")[1].split("\nOver the stages")[0]
    assert "given, 4 groups" in table
    assert " more; --out FILE.json writes them all" in table


def test_a_folder_is_no_file_to_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, write(tmp_path / "run"), "--out", tmp_path, code=2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"--out should be a file, found the folder {tmp_path}" in captured.err
