import pytest
import torch
from torch import nn

from taskgroup.adapters import Site
from taskgroup.adapters.film import FiLM, FiLMModule
from taskgroup.errors import InputError


def awake(shape: tuple[int, ...]) -> FiLMModule:
    module = FiLM().build(Site(shape))
    nn.init.normal_(module.gamma)
    nn.init.normal_(module.beta)
    return module


def test_formula_on_features_and_tokens() -> None:
    for shape in ((5,), (3, 5)):
        module, rows = awake(shape), torch.randn(4, *shape)
        torch.testing.assert_close(module(rows), rows * (1 + module.gamma) + module.beta)


def test_maps_are_adapted_by_channel() -> None:
    module, images = awake((5, 4, 5)), torch.randn(2, 5, 4, 5)  # as wide as it has channels: the axis shows
    expected = torch.stack([images[:, c] * (1 + module.gamma[c]) + module.beta[c] for c in range(5)], dim=1)
    torch.testing.assert_close(module(images), expected)


@pytest.mark.parametrize(("shape", "params"), [((10,), 20), ((7, 10), 20), ((10, 7, 2), 20)])
def test_counts_by_hand(shape: tuple[int, ...], params: int) -> None:
    assert (FiLM().n_params(Site(shape)), FiLM().n_macs(Site(shape))) == (params, 0)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"adapter: film works on features .*, found a stage of shape \(1, 2, 3, 4\)"):
        FiLM().build(Site((1, 2, 3, 4)))
