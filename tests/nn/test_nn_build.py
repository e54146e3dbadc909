"""From a spec to its network."""

from typing import Any

import pytest
import torch
from small_networks import BUILT_IN, METHODS, NAMES, ROWS, TASKS, TRUNKS_OF
from torch import Tensor, nn

from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Spec, TrunkSpec
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.build import build
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.trunk import Trunk


def spec_on(trunk: Trunk, rows: Tensor, name: str, options: dict[str, Any]) -> Spec:
    stages = trunk.names
    matrix = ((0, 0, 0, 0),) * (len(stages) - 1) + ((0, 0, 1, 2),)
    return Spec(
        tasks=TASKS,
        trunk=TrunkSpec(
            name=name,
            stages=stages,
            options=options,
            input_shape=tuple(rows.shape[1:]),
            input_dtype="int64" if rows.dtype == torch.int64 else "float32",
        ),
        architecture=Architecture(
            topology=Topology(tasks=NAMES, stages=stages, matrix=matrix),
            adapters=(AdapterSpec(stage=stages[0], size=2),),
            helpers=(Helper(task="b", along="a"),),
        ),
    )


def built_in(name: str) -> Spec:
    method = METHODS[name]
    return spec_on(TRUNKS_OF[name], ROWS[name], method.name, method.model_dump(exclude={"name"}))


def same(a: SharedNetwork, b: SharedNetwork) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_trunk_needs_the_spec_alone(name: str) -> None:
    spec = built_in(name)
    network = build(spec).eval()
    outputs = network(ROWS[name])
    assert [outputs[t.name].shape for t in TASKS] == [(5, t.n_outputs) for t in TASKS]
    assert same(build(spec), network)
    assert not same(build(spec, seed=1), network)
    assert same(build(Spec.model_validate_json(spec.model_dump_json(by_alias=True))), network)
    assert same(build(spec, TRUNKS_OF[name]), network)  # given in person it is the same


def own_trunk() -> Trunk:
    return Trunk({"low": nn.Linear(4, 8), "high": nn.Sequential(nn.ReLU(), nn.Linear(8, 3))})


def test_a_trunk_of_the_users_own() -> None:
    trunk = own_trunk()
    spec = spec_on(trunk, ROWS["mlp"], "mine:trunk", {})
    network = build(spec, trunk)
    assert network(ROWS["mlp"])["b"].shape == (5, 3)
    assert [type(part).__name__ for part in network.get_submodule("stages.1.2").children()] == ["ReLU", "Linear"]
    with pytest.raises(InputError, match="trunk `mine:trunk` is not a built-in one; pass it as `trunk`"):
        build(spec)


def test_a_trunk_with_other_stages_is_refused() -> None:
    with pytest.raises(InputError, match=r"stages should be the trunk's \['low', 'high'\], found \['block1', "):
        build(built_in("mlp"), own_trunk())


def test_a_trunk_for_other_inputs_is_refused() -> None:
    with pytest.raises(InputError, match=r"stage `low` should take rows of shape \(2, 6, 5\)"):
        build(built_in("conv"), own_trunk())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"widht": 6}, "build: trunk: `widht` is not a known key, did you mean `width`"),
        ({"width": 0}, "build: trunk: `width`: input should be greater than or equal to 1, found 0"),
        ({"width": 6, "depth": 2}, r"stages should be the trunk's \['block1', 'block2'\], found"),
    ],
)
def test_options_that_do_not_give_the_trunk(options: dict[str, Any], sentence: str) -> None:
    spec = built_in("mlp")
    trunk = spec.trunk.model_copy(update={"options": options})
    with pytest.raises(InputError, match=sentence):
        build(spec.model_copy(update={"trunk": trunk}))
