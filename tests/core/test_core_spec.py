import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from spec_examples import ARCHITECTURE, COST, STAGES, TASKS, TOPOLOGY, evidence, full_spec

from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Spec, TrunkSpec, digest
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError

Edit = Callable[[dict[str, Any]], object]


def problems(data: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        Spec.from_dict(data, "plan.yaml")
    return caught.value.problems


def edited(edit: Edit) -> dict[str, Any]:
    data = full_spec().to_dict()
    edit(data)
    return data


def test_round_trip_through_json_and_yaml() -> None:
    spec = full_spec()
    assert Spec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert Spec.from_dict(yaml.safe_load(yaml.safe_dump(spec.to_dict(), sort_keys=False))) == spec
    assert spec.to_dict()["schema"] == "taskgroup/spec/1"


def test_a_spec_without_evidence_loads_too() -> None:
    spec = full_spec(cost=None, evidence=None, provenance=None)
    assert Spec.from_dict(spec.to_dict()) == spec


def test_fingerprint_is_of_the_content_and_not_of_its_origin() -> None:
    spec = full_spec()
    assert len(spec.fingerprint) == 16
    assert full_spec(provenance=None).fingerprint == spec.fingerprint
    others = [
        full_spec(cost=COST.model_copy(update={"macs": 5001})),
        full_spec(evidence=evidence(0.1, -0.2, 0.30001)),
        full_spec(architecture=Architecture(topology=TOPOLOGY)),
        full_spec(trunk=TrunkSpec(name="mlp", stages=STAGES, options={"width": 33}, input_shape=(64,))),
    ]
    assert len({spec.fingerprint, *(other.fingerprint for other in others)}) == 5


def swap_rows(data: dict[str, Any]) -> None:
    data["architecture"]["topology"]["matrix"][1] = [0, 0, 1]


@pytest.mark.parametrize(
    "edit",
    [
        swap_rows,
        lambda d: d["tasks"]["tasks"][1].update(scale=0.2),
        lambda d: d["cost"].update(params=1),
        lambda d: d["evidence"]["gain_vs_shared"].update(high=0.9),
        lambda d: d["trunk"]["options"].update(width=33),
    ],
)
def test_a_tampered_file_is_refused_with_the_remedy(edit: Edit) -> None:
    data = edited(edit)
    (sentence,) = problems(data)
    assert sentence.startswith("plan.yaml: fingerprint should be ")
    assert f"found {full_spec().fingerprint}" in sentence
    assert "remove the fingerprint line to accept the edit" in sentence
    del data["fingerprint"]
    assert Spec.from_dict(data).fingerprint in sentence


def test_provenance_may_be_edited() -> None:
    assert (
        Spec.from_dict(edited(lambda d: d["provenance"].update(job="renamed"))).fingerprint == full_spec().fingerprint
    )


@pytest.mark.parametrize("schema", ["taskgroup/spec/2", "", None, 1])
def test_another_schema_is_refused(schema: object) -> None:
    (sentence,) = problems(edited(lambda d: d.update(schema=schema)))
    assert sentence.startswith("plan.yaml: `schema` should be `taskgroup/spec/1`")
    assert f"found `{schema}`" in sentence


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_something_else_than_a_mapping_is_refused(data: object) -> None:
    found = "nothing" if data is None else type(data).__name__
    assert problems(data) == (f"plan.yaml: a spec should be a mapping, found {found}",)


def test_unknown_keys_come_with_a_hint() -> None:
    sentences = problems(edited(lambda d: (d.update(trunc={}), d["cost"].update(parms=1))))
    assert set(sentences) == {
        "plan.yaml: `trunc` is not a known key, did you mean `trunk`?",
        "plan.yaml: `cost.parms` is not a known key, did you mean `params`?",
    }


def break_much(data: dict[str, Any]) -> None:
    data["tasks"]["tasks"][0]["kind"] = "ranking"
    data["tasks"]["tasks"][1]["sale"] = 1
    del data["trunk"]["name"]
    data["architecture"]["adapters"][0]["size"] = -1
    data["architecture"]["topology"]["matrix"][0] = [0, 1, 2]
    data["cost"]["macs"] = "many"


def test_all_errors_come_at_once() -> None:
    sentences = problems(edited(break_much))
    assert len(sentences) == 6
    assert all(s.startswith("plan.yaml: `") for s in sentences)
    text = "\n".join(sentences)
    for part in (
        "`tasks.tasks.0.kind`: input should be 'binary', 'multiclass' or 'regression', found 'ranking'",
        "`tasks.tasks.1.sale` is not a known key, did you mean `scale`?",
        "`trunk.name` is missing",
        "`architecture.adapters.0.size`: input should be greater than or equal to 0, found -1",
        "`architecture.topology`: stage `s2` should refine stage `s1`",
        "`cost.macs`: should be a whole number, found 'many'",
    ):
        assert part in text


def test_topology_must_be_over_the_specs_tasks_and_stages() -> None:
    with pytest.raises(ValidationError, match=r"topology.tasks should be the spec's tasks \['digit', 'ink', 'odd'\]"):
        full_spec(architecture=Architecture(topology=Topology.shared(TASKS[::-1], STAGES)))
    with pytest.raises(ValidationError, match=r"topology.stages should be the trunk's \['s1', 's2'\], found \['s1'\]"):
        full_spec(architecture=Architecture(topology=Topology.shared(TASKS, ("s1",))))


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"adapters": [AdapterSpec(stage="s9", size=1)]}, "adapter names stage `s9`, but the stages are s1, s2"),
        (
            {"adapters": [AdapterSpec(stage="s1", size=1)] * 2},
            "one adapter entry a task at most, found two behind `s1` for `digit`",
        ),
        ({"helpers": [Helper(task="x", along="ink")]}, "helper names task `x`, but the tasks are digit, ink, odd"),
        ({"helpers": [Helper(task="ink", along="ink")]}, "should name two tasks, and only once"),
        ({"helpers": [Helper(task="ink", along="odd")] * 2}, "should name two tasks, and only once"),
    ],
)
def test_adapters_and_helpers_name_what_exists(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Architecture(topology=TOPOLOGY, **parts)


def architecture(*adapters: AdapterSpec, topology: Topology = TOPOLOGY) -> Architecture:
    return Architecture(topology=topology, adapters=adapters)


def test_architectures_that_build_the_same_have_the_same_fingerprint() -> None:
    plain = architecture().fingerprint
    assert architecture(AdapterSpec(stage="s1", size=0)).fingerprint == plain
    assert architecture(AdapterSpec(stage="s1", size=2)).fingerprint != plain
    assert architecture(AdapterSpec(stage="s2", size=2)).fingerprint != plain  # digit and odd share it
    separate = Topology.separate(TASKS, STAGES)
    without = architecture(topology=separate).fingerprint
    assert architecture(AdapterSpec(stage="s2", size=2), topology=separate).fingerprint == without


def test_architectures_that_build_something_else_have_another() -> None:
    adapter = AdapterSpec(stage="s1", size=2)
    variants = [
        architecture(),
        architecture(adapter),
        architecture(adapter.model_copy(update={"size": 3})),
        architecture(adapter.model_copy(update={"per": "branch"})),
        architecture(adapter.model_copy(update={"kind": "other"})),
        architecture(topology=Topology.shared(TASKS, STAGES)),
        Architecture(topology=TOPOLOGY, helpers=(Helper(task="ink", along="odd"),)),
        ARCHITECTURE,
    ]
    assert len({v.fingerprint for v in variants}) == len(variants)


def test_worst_task_is_the_one_with_the_least_gain_against_separate() -> None:
    assert evidence(0.1, -0.2, 0.3).worst.task == "ink"


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    assert digest({}, 64) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # SHA-256 of {}
    assert digest({}, 5) == "44136"
