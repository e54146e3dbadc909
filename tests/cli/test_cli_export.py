"""taskgroup export: formats of the spec and of the network, and one sentence for every fault."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import taskgroup
from taskgroup import cli
from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.topology import Topology
from taskgroup.exporters import EXPORTERS, NETWORK_EXPORTERS, save_spec
from taskgroup.nn.build import build
from taskgroup.nn.weights import save_weights

NAMES = ("a", "b", "c")
TRUNK = """
from torch import nn
from taskgroup import Trunk


def make():
    return Trunk({"low": nn.Sequential(nn.Linear(4, 3), nn.Tanh()), "high": nn.Linear(3, 2)})


def broken():
    raise RuntimeError("no such thing")


def wrong():
    return nn.Linear(4, 3)
"""


def make_spec(name: str = "mlp", stages: tuple[str, ...] = ("block1", "block2")) -> Spec:
    architecture = Architecture(
        topology=Topology(tasks=NAMES, stages=stages, matrix=((0, 0, 0), (0, 0, 1))),
        adapters=(AdapterSpec(stage=stages[1], size=2),),
        helpers=(Helper(task="c", along="a"),),
    )
    options = {"width": 3, "depth": 2} if name == "mlp" else {}
    return Spec(
        tasks=TaskSet(tasks=tuple(Task(name=n, kind="binary") for n in NAMES)),
        trunk=TrunkSpec(name=name, stages=stages, options=options, input_shape=(4,)),
        architecture=architecture,
    )


class Call:
    """The command line as it is called, in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str, code: int = 0) -> SimpleNamespace:
        self.monkeypatch.setattr(sys, "argv", ["taskgroup", "export", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = self.capsys.readouterr()
        assert (stop.value.code or 0) == code, printed.out + printed.err
        return SimpleNamespace(out=printed.out, err=printed.err)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """In a folder with a spec, its weights beside it, a spec of a trunk of one's own, and a module that makes it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_trunk.py").write_text(TRUNK)
    save_spec(make_spec(), "spec.yaml")
    save_weights(build(make_spec()), Path("weights.safetensors"))
    save_spec(make_spec("mine", ("low", "high")), "own.yaml")
    return Call(capsys, monkeypatch)


def files() -> set[str]:
    return {str(p) for p in Path().rglob("*") if "__pycache__" not in str(p)}


def test_help_lists_every_format(call: Call) -> None:
    printed = " ".join(call("--help").out.split())
    assert f"Of the spec: {', '.join(EXPORTERS.names)}." in printed
    assert f"Of the trained network: {', '.join(NETWORK_EXPORTERS.names)}." in printed


def test_a_picture_to_the_terminal_and_to_a_file(call: Call) -> None:
    text = call("spec.yaml", "--to", "svg").out
    assert text.startswith("<svg ")
    assert call("spec.yaml", "--to", "svg", "--out", "plan.svg").out == "wrote plan.svg\n"
    assert Path("plan.svg").read_text(encoding="utf-8") == text


def test_the_network_with_the_weights_beside_the_spec(call: Call) -> None:
    assert call("spec.yaml", "--to", "python", "--out", "net.py").out == "wrote net.py\nwrote net.safetensors\n"
    network = taskgroup.load_weights(build(make_spec(), seed=5), "weights.safetensors").eval()
    rows = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = runpy.run_path("net.py")["load"]()(rows), network(rows)
    assert list(found) == list(NAMES)  # no helper
    for task in NAMES:
        torch.testing.assert_close(found[task], expected[task])


def test_a_trunk_of_ones_own(call: Call) -> None:
    sys.modules.pop("my_trunk", None)
    spec, trunk = make_spec("mine", ("low", "high")), runpy.run_path("my_trunk.py")["make"]()
    save_weights(build(spec, trunk), Path("own.safetensors"))
    words = ("own.yaml", "--to", "python", "--out", "net.py", "--weights", "own.safetensors")
    call(*words, "--trunk", "my_trunk:make")
    assert "nn.Tanh()" in Path("net.py").read_text()
    assert "the trunk `mine` is not a built-in one" in call(*words, code=2).err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("spec.yaml", "--to", "pyton"), "found `pyton`, did you mean `python`?"),
        (("spec.yaml", "--to", "python"), "export: python writes the network, not text; say where with --out"),
        (("spec.yaml", "--to", "python", "--out", "no/net.py"), "no/net.py: there is no folder no to write to"),
        (
            ("spec.yaml", "--to", "python", "--out", "n.py", "--weights", "w"),
            "w: this format needs the network's weights",
        ),
        (
            ("sub/spec.yaml", "--to", "python", "--out", "n.py"),
            "sub/weights.safetensors: this format needs the network's",
        ),
        (("spec.yaml", "--to", "python", "--out", "weights.py"), "weights.py: would be written over the network's own"),
        (("spec.yaml", "--to", "json", "--out", "no/n.json"), "no/n.json: there is no folder no to write to"),
        (
            ("own.yaml", "--to", "python", "--out", "n.py", "--trunk", "my_trunk"),
            "trunk: should read `module:function`",
        ),
        (
            ("own.yaml", "--to", "python", "--out", "n.py", "--trunk", "my_trunk:broken"),
            "trunk: my_trunk:broken raised RuntimeError: no such thing",
        ),
        (
            ("own.yaml", "--to", "python", "--out", "n.py", "--trunk", "my_trunk:wrong"),
            "trunk: my_trunk:wrong should return a taskgroup.Trunk, found Linear",
        ),
        (
            ("own.yaml", "--to", "python", "--out", "n.py", "--trunk", "my_trunk:make"),
            "weights.safetensors: should hold",
        ),
    ],
    ids=lambda p: " ".join(p) if isinstance(p, tuple) else "",
)
def test_one_sentence_for_a_fault(call: Call, words: tuple[str, ...], sentence: str) -> None:
    Path("sub").mkdir()
    save_spec(make_spec(), "sub/spec.yaml")
    sys.modules.pop("my_trunk", None)
    before = files()
    told = call(*words, code=2).err
    assert told.startswith("taskgroup: ")
    assert sentence in told
    assert files() == before
