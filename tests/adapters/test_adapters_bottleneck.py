import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import Site
from taskgroup.adapters.bottleneck import Bottleneck, BottleneckModule
from taskgroup.errors import InputError


def awake(shape: tuple[int, ...], size: int) -> BottleneckModule:
    module = Bottleneck(size=size).build(Site(shape))
    nn.init.normal_(module.up.weight)
    nn.init.normal_(module.up.bias)
    return module


def formula(module: BottleneckModule, features: Tensor) -> Tensor:
    inner = F.relu(features @ module.down.weight.T + module.down.bias)
    return features + inner @ module.up.weight.T + module.up.bias


def test_formula_on_features_and_tokens() -> None:
    for shape in ((5,), (3, 5)):
        module, rows = awake(shape, 2), torch.randn(4, *shape)
        torch.testing.assert_close(module(rows), formula(module, rows))


def test_maps_are_adapted_by_channel_like_a_1x1_convolution() -> None:
    module, images = awake((3, 4, 5), 2), torch.randn(2, 3, 4, 5)
    down = F.relu(F.conv2d(images, module.down.weight[:, :, None, None], module.down.bias))
    expected = images + F.conv2d(down, module.up.weight[:, :, None, None], module.up.bias)
    torch.testing.assert_close(module(images), expected)


@pytest.mark.parametrize(
    ("shape", "params", "macs"), [((10,), 73, 60), ((7, 10), 73, 420), ((10, 7, 2), 73, 840), ((1,), 10, 6)]
)
def test_counts_by_hand(shape: tuple[int, ...], params: int, macs: int) -> None:
    site = Site(shape)
    assert (Bottleneck(size=3).n_params(site), Bottleneck(size=3).n_macs(site)) == (params, macs)


@pytest.mark.parametrize("shape", [(), (1, 2, 3, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    sentence = r"adapter: bottleneck works on features .*, found a stage of shape \(.*; leave the stage out"
    with pytest.raises(InputError, match=sentence):
        Bottleneck(size=3).build(Site(shape))
    with pytest.raises(InputError, match="found a stage of shape"):
        Bottleneck(size=3).n_params(Site(shape))
