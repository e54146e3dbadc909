from pathlib import Path

import pytest
import torch
from network_samples import NAMES, ROWS, branched, network_of, network_on, numbers, spec_of, trunk_of
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec
from taskgroup.errors import InputError
from taskgroup.exporters.onnx import Onnx
from taskgroup.nn.trunk import Trunk

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.mark.parametrize("name", ["mlp", "conv", "conv1d", "text", "transformer"])
def test_onnxruntime_computes_the_same(tmp_path: Path, name: str) -> None:
    """Task names that are also names inside the model, and names with all kinds of signs."""
    architecture = branched(trunk_of(name).names, adapters=(AdapterSpec(stage=trunk_of(name).names[1], size=2),))
    network = network_of(name, architecture)
    (path,) = Onnx().write(spec_of(network, name), network, ROWS[name], tmp_path / "net.onnx")
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == list(NAMES)
    (place,) = session.get_inputs()
    assert place.name == "rows_"  # one of the tasks is called rows
    rows = ROWS[name].flip(0)[:4].repeat_interleave(2, dim=0)
    with torch.no_grad():
        expected = network(rows)
    for task, output in zip(NAMES, session.run(list(NAMES), {place.name: rows.numpy()}), strict=True):
        torch.testing.assert_close(torch.from_numpy(output), expected[task], rtol=1e-4, atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]


class Unknown(nn.Module):
    """Uses an operation that ONNX has not."""

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = torch.special.bessel_j0(x)
        return found


def test_an_operation_that_onnx_has_not(tmp_path: Path) -> None:
    trunk = Trunk({"part": Unknown(), "last": nn.Linear(4, 4)}, reinitialize=False)
    network = network_on(trunk, numbers(5, 4), branched(trunk.names))
    with pytest.raises(
        InputError, match=r"onnx: every operation of the trunk should have one in ONNX, found: .*bessel_j0"
    ):
        Onnx().write(spec_of(network), network, numbers(5, 4), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskgroup.exporters.onnx.find_spec", lambda name: None if name == "onnxscript" else object())
    network = network_of("mlp")
    with pytest.raises(InputError, match=r"onnx: needs onnxscript; install with: pip install 'taskgroup-mtl\[onnx\]'"):
        Onnx().write(spec_of(network), network, ROWS["mlp"], tmp_path / "net.onnx")
