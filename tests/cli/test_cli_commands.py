"""The commands: help, results, and one sentence with exit code 2 for every fault, with nothing written over."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import yaml

import taskgroup
from taskgroup import cli
from taskgroup.bench.serving.processes import descendants
from taskgroup.core.spec import Spec
from taskgroup.errors import ConflictError, InputError, TrialError

CONFIG: dict[str, Any] = {
    "name": "tiny",
    "problem": {"source": "bundled", "name": "linnerud"},
    "trunk": {"name": "mlp", "width": 4, "depth": 2},
    "train": {"steps": 6, "n_checks": 2},
    "measure": {"seeds": 1, "every": 3},
    "search": {"trials": 4, "adapters": {"sizes": [0, 2]}},
    "confirm": {"seeds": 2, "finalists": 1},
}


class Call:
    """The command line as it is called, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str | Path, code: int = 0) -> SimpleNamespace:
        self.monkeypatch.setattr(sys, "argv", ["taskgroup", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = self.capsys.readouterr()
        assert (stop.value.code or 0) == code, printed.out + printed.err
        return SimpleNamespace(out=printed.out, err=printed.err)

    def faults(self, *words: str | Path) -> list[str]:
        """The sentences of a call that ends with code 2."""
        printed = self(*words, code=2)
        assert printed.out == ""
        lines: list[str] = printed.err.splitlines()
        assert all(line.startswith("taskgroup: ") for line in lines)
        return [line.removeprefix("taskgroup: ") for line in lines]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    return Call(capsys, monkeypatch)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    taskgroup.plan(space=folder / "tiny.yaml", out=folder / "out")
    return folder / "out"


def write(**changes: Any) -> Path:
    Path("tiny.yaml").write_text(yaml.safe_dump({**CONFIG, **changes}))
    return Path("tiny.yaml")


def files() -> set[str]:
    return {str(p) for p in Path().rglob("*")}


def test_version(call: Call) -> None:
    assert call("--version").out == f"taskgroup {taskgroup.__version__}\n"


def test_help_names_every_command(call: Call) -> None:
    printed = call("--help").out
    for name in ("run", "measure", "group", "show", "export", "cost", "init", "schema", "bench"):
        assert name in printed
        assert "Usage: taskgroup" in call(name, "--help").out
    assert "--workers" in call("run", "--help").out
    assert "bool" not in printed + call("bench", "--help").out  # a flag takes no value


def test_without_words_there_is_help(call: Call) -> None:
    printed = call(code=2)
    assert "Usage: taskgroup" in printed.out + printed.err


def test_an_unknown_command_is_refused(call: Call) -> None:
    assert "rnu" in call("rnu", code=2).err


def test_run_shows_a_finished_job(call: Call, job: Path) -> None:
    printed = call("run", job.parent / "tiny.yaml", "--out", job)
    assert printed.out.startswith("tiny: ")
    assert "Topology" in printed.out
    assert "measure:" not in printed.out


def test_run_tells_every_step_in_plain_lines(call: Call) -> None:
    lines = call("run", write(), "--out", "job").out.splitlines()
    begun = [line for line in lines if line.endswith((" trial", " trials", " ..."))]
    assert [line.split(":")[0].split()[0] for line in begun] == [
        "measure",
        "propose",
        "search",
        "shortlist",
        "confirm",
        "test",
        "report",
    ]
    assert any(line.startswith("search: 4 candidates trained") for line in lines)
    assert any(line.startswith("confirm: chose ") and line.count(": ") == 1 for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert "  report.html" in "\n".join(lines)


def test_run_refuses_a_changed_config(call: Call, job: Path) -> None:
    told = call("run", job.parent / "tiny.yaml", "--out", job, "--set", "search.trials=5", code=2).err
    assert told == (
        f"taskgroup: {job}: holds a job with another config:\n  search.trials: was 4, now 5\n"
        "Give the new one another name or --out, or remove the folder\n"
    )


def test_run_tells_a_fault_before_it_compares_with_the_job_that_is_there(call: Call, job: Path) -> None:
    (fault,) = call.faults("run", job.parent / "tiny.yaml", "--out", job, "--set", "trunk.name=cnn")
    assert "`trunk.name`" in fault
    assert "found `cnn`" in fault


def test_run_names_every_fault_and_writes_nothing(call: Call) -> None:
    path = write(serch={}, confirm={"seeds": 1}, trunk={"name": "mpl"}, limits={"macs_ratio": 0.5})
    before = files()
    found = call.faults("run", path)
    assert len(found) == 4
    told = "\n".join(found)
    for words in ("`serch`", "`confirm.seeds`", "did you mean `mlp`?", "`limits.macs_ratio`"):
        assert words in told
    assert files() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "nothing.yaml"), "nothing.yaml: no such file"),
        (("run", "tiny.yaml", "--set", "seed"), "--set should be section.key=value, found `seed`"),
        (("run", "tiny.yaml", "--set", "sede=1"), "tiny.yaml: `sede` is not a known key, did you mean `seed`?"),
        (("run", "tiny.yaml", "--storage", "nonsense"), "storage: should be a database URL such as"),
        (("run", "tiny.yaml", "--out", "tiny.yaml"), "tiny.yaml: should be a folder for the job's files, found a file"),
        (("measure", "nothing.yaml"), "nothing.yaml: no such file"),
        (("measure", "tiny.yaml", "--with", "cka(kernel"), "measures should be NAME or NAME(option=value, …)"),
        (("measure", "tiny.yaml", "--with", "cka,prob"), "found `prob`, did you mean `probe`?"),
        (("measure", "tiny.yaml", "--with", "cka(kernel=rfb)"), "measure cka(kernel=rfb): `kernel`: input should be"),
        (("measure", "tiny.yaml", "--out", "tiny.yaml"), "tiny.yaml: should be a folder for the job's files"),
        (("show", "nothing"), "nothing: no such file or folder"),
        (("show", "."), ".: should hold a finished job, found no job.json"),
        (("show", "tiny.yaml"), "tiny.yaml: `schema` should be `taskgroup/spec/1`"),
        (("export", ".", "--to", "json"), "spec.yaml: cannot be read: No such file or directory"),
        (("export", "nothing.yaml", "--to", "jsn"), "found `jsn`, did you mean `json`?"),
        (("schema", "specs"), "schema should be config or spec, found `specs`, did you mean `spec`?"),
        (("bench", "digit"), "found `digit`, did you mean `digits`?"),
        (("init", "nothing.csv"), "nothing.csv: there is no such file"),
        (("init", "t.csv"), "t.csv: name the label columns, e.g. `--tasks"),
        (("init", "t.csv", "--tasks", "z"), "t.csv: there is no column `z`"),
        (("init", "t.csv", "--tasks", ""), "t.csv: name the label columns, e.g. `--tasks"),
        (("init", "t.csv", "--tasks", "y"), "t.csv: a job needs at least two tasks that might share a network"),
        (("init", "t.csv", "--tasks", "y,y"), "t.csv: `y` is named twice"),
        (("init", "t.csv", "--tasks", "x,,y", "--out", "tiny.yaml"), "tiny.yaml: exists already"),
        (("init", "t.csv", "--tasks", "q", "--out", "tiny.yaml"), "t.csv: there is no column `q`"),
        (
            ("init", "t.csv", "--tasks", "x,y", "--out", "no/where.yaml"),
            "no/where.yaml: there is no folder no to write",
        ),
        (("init", ".", "--tasks", "a"), ".: should be a table (CSV, Parquet or NPZ file), found a folder"),
        (("init", "..", "--tasks", "a"), "..: should be a table (CSV, Parquet or NPZ file), found a folder"),
    ],
    ids=lambda p: " ".join(p) if isinstance(p, tuple) else "",
)
def test_one_sentence_for_a_fault(call: Call, words: tuple[str, ...], sentence: str) -> None:
    write()
    Path("t.csv").write_text("x,y,w\n1.5,0,0.2\n2.5,1,0.7\n3.5,0,0.9\n")
    before, text = files(), Path("tiny.yaml").read_text()
    (found,) = call.faults(*words)
    assert sentence in found
    assert files() == before
    assert Path("tiny.yaml").read_text() == text


def test_measure_compares_in_worker_processes_and_answers_at_once(call: Call) -> None:
    words = ("measure", write(), "--with", "cka,label_correlation(min_rows=3)", "--with", "ablation", "--out", "job")
    first = call(*words, "--workers", "2").out
    assert "measure: 3 trials\n" in first
    assert "\x1b" not in first
    assert "tiny: 3 measures of affinity, 3 tasks" in first
    for name, sight in (("cka", "features"), ("label_correlation(min_rows=3)", "data"), ("ablation", "shared")):
        assert [line.split()[1] for line in first.splitlines() if line.startswith(f"  {name} ")] == [sight]
    assert "  measures.html  " in first
    again = call(*words).out
    assert again == first[first.index("tiny: 3 measures") :]
    assert "train.steps: was 6, now 7\n" in call(*words, "--set", "train.steps=7", code=2).err
    assert call.faults("show", "job") == ["job: should hold a finished job, found measured"]


def test_measure_takes_the_configs_own_measure_by_default(call: Call) -> None:
    printed = call("measure", write(measure={"affinity": {"method": "label_correlation"}, "seeds": 1}), "--out", "job")
    assert "tiny: 1 measure of affinity" in printed.out


def test_workers_below_one_are_refused(call: Call) -> None:
    assert "--workers" in call("run", write(), "--workers", "0", code=2).err


def test_show_a_job_and_a_spec(call: Call, job: Path) -> None:
    whole, spec = call("show", job).out, call("show", job / "spec.yaml").out
    assert whole.startswith("tiny: ")
    assert spec.startswith("spec.yaml: ")
    assert "report.html" in whole
    assert "report.html" not in spec


@pytest.mark.parametrize(
    ("form", "words"), [("json", '"schema"'), ("yaml", "schema:"), ("mermaid", "flowchart"), ("dot", "digraph")]
)
def test_export_to_the_terminal_and_to_a_file(call: Call, job: Path, form: str, words: str) -> None:
    text = call("export", job, "--to", form).out
    assert words in text
    assert call("export", job / "spec.yaml", "--to", form, "--out", "there.txt").out == "wrote there.txt\n"
    assert Path("there.txt").read_text(encoding="utf-8") == text


def test_exported_json_is_the_spec(call: Call, job: Path) -> None:
    spec = taskgroup.load_spec(job / "spec.yaml")
    assert Spec.from_dict(json.loads(call("export", job, "--to", "json").out)) == spec


@pytest.mark.parametrize("what", ["config", "spec"])
def test_schema_is_json(call: Call, what: str) -> None:
    assert json.loads(call("schema", what).out)["$schema"]
    assert json.loads(call("schema").out)["title"] == "Config"


def test_init_writes_a_config_that_loads(call: Call) -> None:
    lines = "".join(f"{k * 0.7 % 3:.2f},{k % 2},{'' if k % 3 else k / 7}\n" for k in range(40))
    lines = "".join(f"{k + 1},{line}\n" for k, line in enumerate(lines.splitlines()))
    Path("visits.csv").write_text(f"row,x,sick,dose\n{lines}")
    assert call("init", "visits.csv", "--tasks", "sick, dose").out == (
        "left out of the inputs: row (counts the rows)\nwrote visits.yaml; read it, then: taskgroup run visits.yaml\n"
    )
    data = yaml.safe_load(Path("visits.yaml").read_text())
    kinds = {name: task["kind"] for name, task in data["problem"]["tasks"].items()}
    assert kinds == {"sick": "binary", "dose": "regression"}
    before = Path("visits.yaml").read_text()
    (fault,) = call.faults("init", "visits.csv", "--tasks", "sick,dose")
    assert fault.startswith("visits.yaml: exists already; give another --out")
    assert Path("visits.yaml").read_text() == before


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (InputError(["one", "two"]), 2, ["one", "two"]),
        (ConflictError("in use"), 2, ["in use"]),
        (TrialError("no memory"), 1, ["no memory"]),
        (PermissionError(13, "Permission denied", "results"), 2, ["results: Permission denied"]),
        (KeyboardInterrupt(), 130, ["interrupted; the same command goes on from here"]),
    ],
    ids=lambda e: type(e).__name__ if isinstance(e, BaseException) else "",
)
def test_every_error_has_its_code(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, lines: list[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("taskgroup.pipeline.job.run_job", fail)
    before = descendants(os.getpid())
    printed = call("run", write(), code=code)
    assert descendants(os.getpid()) == before
    assert printed.err.splitlines() == [f"taskgroup: {line}" for line in lines]
    assert printed.out == ""


def test_our_own_mistakes_keep_their_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["taskgroup", "run", str(write())])
    for error in (RuntimeError("ours"), OSError("no file at all")):

        def fail(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr("taskgroup.pipeline.job.run_job", fail)
        with pytest.raises(type(error), match=str(error)):
            cli.main()


def test_commands_keep_their_own_signatures() -> None:
    """The wrapper around them must not hide arguments from Typer."""
    assert isinstance(cli.app, typer.Typer)
    names = [c.callback.__name__ for c in cli.app.registered_commands if c.callback is not None]
    service = ["serve", "submit", "jobs", "pause", "resume", "cancel", "delete"]
    assert names == ["run", "measure", "group", "show", "export", "cost", "init", "schema", "bench", *service]
