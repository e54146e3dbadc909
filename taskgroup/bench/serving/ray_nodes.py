"""A real Ray cluster on this machine: a head without work, and small nodes that may go and come."""

import contextlib
import importlib.util
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STORE_BYTES = 100 * 1024 * 1024
ENV = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""For this process and all that it starts. Ray reads the token once, so that it stays."""


class Nodes:
    """Head and nodes.

    Args:
        n_nodes: Nodes at first.
        temp: Folder for what the nodes unpack.

    Attributes:
        address: HOST:PORT of the head.
    """

    def __init__(self, n_nodes: int, temp: Path) -> None:
        from ray.cluster_utils import Cluster

        self._temp = temp
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.address = str(self._cluster.address)
        for _ in range(n_nodes):
            self.add()

    def __len__(self) -> int:
        return len(self._cluster.worker_nodes)

    def add(self) -> None:
        """A node with one CPU."""
        env = {"TMPDIR": str(self._temp), "OMP_NUM_THREADS": "1"}
        self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES, env_vars=env)

    def remove(self, place: str) -> None:
        """Kill the node that a trial said it runs on."""
        (node,) = self._at(place)
        self._cluster.remove_node(node, allow_graceful=False)

    def remove_above(self, parent: int) -> None:
        """Kill the node whose raylet is process ``parent``, as that of a worker is."""
        (node,) = [node for node in self._cluster.worker_nodes if parent in _raylets(node)]
        self._cluster.remove_node(node, allow_graceful=False)

    def _at(self, place: str) -> list[Any]:
        return [node for node in self._cluster.worker_nodes if f"({node.node_id[:8]})" in place]

    def held(self, reference: Any, place: str) -> Any:
        """A copy of an object that only the node holds on which a trial said it runs."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        def copied(content: bytes) -> bytes:  # in here, so that it travels whole: nodes have no such module
            return content

        (node,) = self._at(place)
        there = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        copy = ray.remote(copied).options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote(reference)
        ray.wait([copy], fetch_local=False)
        return copy

    def close(self) -> None:
        """Kill all of it."""
        self._cluster.shutdown()


def _raylets(node: Any) -> list[int]:
    return [started.process.pid for started in node.all_processes.get("raylet", [])]


def missing() -> str:
    """What there is not that a cluster needs, in words; empty where nothing is missing."""
    return "" if importlib.util.find_spec("ray") else "the extra `ray` is not installed"


@contextlib.contextmanager
def ray_nodes(n_nodes: int, temp: Path) -> Iterator[Nodes]:
    """A cluster that asks for a token; for where nothing is :func:`missing`."""
    os.environ.update(ENV)
    import ray._raylet

    raylet: Any = ray._raylet
    raylet.Config.initialize("")  # Ray may have been loaded before, with another idea of tokens
    with contextlib.closing(Nodes(n_nodes, temp)) as nodes:
        yield nodes
