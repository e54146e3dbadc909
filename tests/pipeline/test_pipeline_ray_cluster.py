"""The way to a cluster: sentences for what cannot be reached, without a cluster."""

import contextlib
import signal
import socket
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from taskgroup.errors import InputError, UnreachableError
from taskgroup.pipeline import ray_cluster
from taskgroup.pipeline.ray_cluster import RayCluster, in_words, listens


class FakeRay(SimpleNamespace):
    """As much of Ray as is asked for on the way; ``init`` raises what it is given, if anything."""

    def __init__(self, error: Exception | None = None, **resources: float) -> None:
        super().__init__(error=error, resources=resources, called=[])

    def is_initialized(self) -> bool:
        return False

    def init(self, **options: Any) -> None:
        self.called.append(options["address"])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.error:
            raise self.error

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(gcs_address="127.0.0.1:1")

    def cluster_resources(self) -> dict[str, float]:
        self.called.append("resources")
        return dict(self.resources)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    made = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return made


@pytest.fixture
def port() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"executor: ray needs the extra `ray`: pip install 'taskgroup-mtl\[ray\]'"):
        RayCluster("auto")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ray://user:secret@head:10001", "address: ray:// is for Ray's client.*ray job submit -- taskgroup run"),
        ("http://head:8265", "address: http:// is for"),
        ("head", "address: should be `auto` or HOST:PORT of a Ray cluster's head, found head"),
        ("head:", "found head:"),
        ("he ad:6379", "found he ad:6379"),
    ],
)
def test_what_is_no_address_is_said(fake: FakeRay, address: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        RayCluster(address)
    assert "secret" not in str(caught.value)
    assert fake.called == []


def test_where_nothing_answers_nobody_waits_for_ray(fake: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError, match=r"no Ray cluster answers at 127.0.0.1:1; should be"):
        RayCluster("127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UnreachableError, match=r"no Ray cluster answers at 127.0.0.1:1"):
        RayCluster("auto")
    assert fake.called == []


def test_no_cluster_on_this_machine(fake: FakeRay) -> None:
    fake.error = ConnectionError("Could not find any running Ray instance")
    with pytest.raises(
        UnreachableError, match="found no Ray cluster on this machine; start one with `ray start --head`"
    ):
        RayCluster(None)
    assert fake.called == ["auto"]


def test_a_cluster_that_does_not_let_us_in(fake: FakeRay, port: int) -> None:
    fake.error = ConnectionError("Failed to connect")
    with pytest.raises(
        UnreachableError, match=f"at 127.0.0.1:{port} does not let us in; is it still starting, or is its token"
    ):
        RayCluster(f"127.0.0.1:{port}")
    fake.error = RuntimeError("Version mismatch: The cluster was started with:\n  Ray: 2.1")
    with pytest.raises(UnreachableError, match=r"cannot be used: Version mismatch: The cluster was started with:$"):
        RayCluster(f"127.0.0.1:{port}")


def test_ray_does_not_keep_sigterm(fake: FakeRay, port: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    RayCluster(f"127.0.0.1:{port}")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_head_is_gone_only_after_a_while(fake: FakeRay, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(ray_cluster, "time", SimpleNamespace(monotonic=lambda: now[0]))
    cluster = RayCluster(f"127.0.0.1:{port}")
    now[0] = 29.0
    cluster.check()  # out of reach all the time: the address is one that nobody listens at
    assert cluster.is_reachable
    now[0] = 30.5
    with pytest.raises(
        UnreachableError, match="has been out of reach for 30 s; the same command goes on once a cluster"
    ):
        cluster.check()
    assert [cluster.is_reachable] == [False]
    monkeypatch.setattr(cluster, "_head", f"127.0.0.1:{port}")
    cluster.check()
    assert cluster.is_reachable


def test_room_follows_the_cluster_and_is_not_asked_for_all_the_time(
    fake: FakeRay, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(ray_cluster, "time", SimpleNamespace(monotonic=lambda: now[0]))
    cluster = RayCluster(f"127.0.0.1:{port}")
    fake.resources = {"CPU": 9.0, "GPU": 3.0}
    assert cluster.room(1, 0) == 1  # no head, no answer
    monkeypatch.setattr(cluster, "_head", f"127.0.0.1:{port}")
    assert [cluster.room(1, 0), cluster.room(2, 0), cluster.room(1, 0.5), cluster.room(4, 0.3)] == [9, 4, 6, 2]
    assert cluster.room(1, 0.1) == 9
    assert fake.called.count("resources") == 1
    fake.resources = {"CPU": 2.0}
    now[0] += 5.5
    assert [cluster.room(1, 0), cluster.room(1, 1), cluster.room(64, 0)] == [2, 1, 1]


def test_only_a_living_node_can_run_a_trial(fake: FakeRay, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = RayCluster(f"127.0.0.1:{port}")
    assert cluster.can_ever_run(64, 0)  # without a head nobody knows
    monkeypatch.setattr(cluster, "_head", f"127.0.0.1:{port}")
    assert cluster.can_ever_run(4, 1)
    assert not cluster.can_ever_run(5, 0)
    assert not cluster.can_ever_run(1, 1.5)


def test_listens_knows_both_kinds_of_addresses() -> None:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert listens(f"[::1]:{server.getsockname()[1]}")
    assert not listens("127.0.0.1:1")
    assert not listens("no-such-host.invalid:6379")


def test_every_error_has_words() -> None:
    exceptions = pytest.importorskip("ray.exceptions", reason="the extra `ray` is not installed")
    assert [name for name in ray_cluster.WORDS if not hasattr(exceptions, name)] == []
    lost = exceptions.OwnerDiedError("aa", "owner", "calls")
    assert in_words(lost, "here") == "Ray's object store lost what it needs or gave (here)"
    assert in_words(exceptions.OutOfMemoryError("x"), "").startswith("its node ran out of memory")
    assert in_words(exceptions.RaySystemError("a\nb"), "") == "its worker failed with RaySystemError: System error: a"
    failed = exceptions.RayTaskError("do_trial", "Traceback …\nlong", ValueError("the disk is full"))
    assert in_words(failed, "p") == "its worker failed with ValueError: the disk is full (p)"
    away = exceptions.RayTaskError("f", "t", RuntimeError("The remote function failed to import on the worker. …"))
    assert in_words(away, "") == "its node has no taskgroup, or another one; install the same everywhere"
