"""Sites are found by running a stage once, and the stage does not notice."""

import copy

import pytest
import torch
from adapter_stages import STAGES, make_stage
from torch import nn

from taskgroup.adapters import Layer, Site
from taskgroup.adapters.sites import site_of


def test_layers_in_order_of_execution_with_how_often_they_are_applied() -> None:
    found = site_of(*make_stage("tokens"))
    assert found == Site(
        (4, 6),
        (Layer("mix", 6, 12, 4), Layer("out", 12, 6, 4), Layer("again", 6, 6, 8), Layer("gate", 6, 6, 1)),
    )


def test_convolutions_with_kernel_groups_and_pixels() -> None:
    assert site_of(*make_stage("maps")) == Site(
        (4, 5, 4),
        (
            Layer("0", 27, 8, 20, (3, 3)),
            Layer("3", 18, 8, 20, (3, 3), 4),
            Layer("4", 24, 4, 20, (3, 1)),
        ),
    )
    assert site_of(*make_stage("sequences")).layers == (Layer("0", 9, 5, 8, (3,)),)


def test_only_layers_that_are_called() -> None:
    """``nn.MultiheadAttention`` uses the weights of its projections itself."""
    assert [layer.path for layer in site_of(*make_stage("encoder")).layers] == ["linear1", "linear2"]
    assert [layer.path for layer in site_of(*make_stage("layer itself")).layers] == [""]


@pytest.mark.parametrize("name", STAGES)
def test_the_stage_is_left_as_it_is(name: str) -> None:
    stage, rows = make_stage(name)
    stage.train()
    before = copy.deepcopy(stage.state_dict())
    site_of(stage, rows)
    assert stage.training
    assert all(torch.equal(stage.state_dict()[k], v) for k, v in before.items())
    assert not any(part._forward_hooks for part in stage.modules())


def test_the_shape_is_that_of_the_hidden_state() -> None:
    assert site_of(*make_stage("masked")) == Site((4, 6), (Layer("dense", 6, 6, 4),))
    assert site_of(nn.ReLU(), torch.randn(4, 3)) == Site((3,))
