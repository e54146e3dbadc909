"""What lies in docs/deploy: it can be read, its parts fit each other, and its commands are those of today."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from taskgroup.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
SHELL = ["docs/deploy/slurm/plan.sh", ".ci/run"]


def manifests() -> list[dict[str, Any]]:
    names = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    return [one for name in names for one in yaml.safe_load_all((KUBERNETES / name).read_text())]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in manifests() if one["kind"] == kind]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def templates() -> Iterator[dict[str, Any]]:
    """Of every pod."""
    for one in of_kind("Deployment") + of_kind("StatefulSet"):
        yield one["spec"]["template"]
    for one in of_kind("RayCluster"):
        yield one["spec"]["headGroupSpec"]["template"]
        yield from (group["template"] for group in one["spec"]["workerGroupSpecs"])


def containers() -> list[dict[str, Any]]:
    return [container for template in templates() for container in template["spec"]["containers"]]


def scripts() -> dict[str, str]:
    """Every piece of shell, by where it stands."""
    found = {name: (ROOT / name).read_text() for name in SHELL}
    found |= {f"README, block {number}": text for number, text in enumerate(BLOCKS, 1)}
    found |= {f"{c['name']}'s args": c["args"][0] for c in containers() if "args" in c}
    found["compose"] = shlex.join(compose()["services"]["server"]["command"])
    return found


def calls(program: str) -> list[tuple[str, list[str]]]:
    """Calls of a program in all scripts: where, and its words; what the shell puts in is left as it stands."""
    before = r"(?:^\s*|\s--\s+|\bexec |\buntil |\bsrun (?:-\S+\s+)+)"
    call = re.compile(rf"{before}{program} ((?:(?!\s\d?>)[^&|;#\n])*)", re.MULTILINE)
    found = []
    for place, text in scripts().items():
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        joined = "\n".join(lines).replace("\\\n", " ")
        found += [(place, shlex.split(match[1])) for match in call.finditer(joined)]
    return found


def fault(command: Any, words: list[str]) -> str:
    """What a program says of a call before it does anything; empty for none. Typer's has a Click of its own."""
    while subcommands := getattr(command, "commands", None):
        name, *words = words
        if name not in subcommands:
            return f"no command {name}"
        command = subcommands[name]
    words = [re.sub(r"\$\{?\w+[^}]*\}?", "2", word) for word in words if word != "$@"]
    try:
        command.make_context(command.name, words)
    except Exception as error:
        return str(getattr(error, "message", "") or error)
    return ""


@pytest.mark.parametrize("place", scripts())
def test_shell_can_be_parsed(place: str) -> None:
    done = subprocess.run(["bash", "-n"], input=scripts()[place], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_calls_of_taskgroup_are_understood() -> None:
    found = calls("taskgroup")
    assert {place for place, _ in found} >= {"docs/deploy/slurm/plan.sh", "server's args", "compose"}
    assert {words[0] for _, words in found} >= {"run", "serve", "jobs"}
    found += [
        ("sbatch", ["run", *shlex.split(words)]) for words in re.findall(r"^sbatch \S+/plan.sh (.+)$", README, re.M)
    ]
    assert found[-1][0] == "sbatch"
    faults = [(place, words, fault(typer.main.get_command(app), words)) for place, words in found]
    assert [one for one in faults if one[2]] == []


def test_calls_of_ray_are_understood() -> None:
    scripts_module = pytest.importorskip("ray.scripts.scripts", reason="the extra `ray` is not installed")
    found = calls("ray")
    assert {tuple(words[:2]) for _, words in found} >= {("start", "--head"), ("job", "submit")}
    faults = [(place, words, fault(scripts_module.cli, words)) for place, words in found]
    assert [one for one in faults if one[2]] == []


def test_passwords_are_in_no_file() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert re.search(r"postgresql[^ ]*://[^@/ ]*:[^@ ]*@", path.read_text()) is None, path
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"docs/deploy/token", "docs/deploy/.env"} <= set(ignored)


def test_compose_has_what_it_speaks_of() -> None:
    found = compose()
    for service in found["services"].values():
        assert set(service.get("secrets", [])) <= set(found["secrets"])
        named = {volume.split(":")[0] for volume in service["volumes"]}
        assert named <= set(found["volumes"])
        assert set(service.get("depends_on", {})) <= set(found["services"])
        assert "healthcheck" in service
    server = found["services"]["server"]
    assert (DEPLOY / server["build"]["context"]).resolve() == ROOT
    assert (ROOT / server["build"]["dockerfile"]).is_file()
    assert server["ports"] == ["127.0.0.1:8765:8765"]  # nobody but this host, without TLS in front
    variables = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert all(name in README for name in variables)


def test_the_image_is_built_of_files_that_are_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert len(copied) == 5
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    assert set(copied) == sent
    assert all((ROOT / name).exists() for name in copied)
    extras = re.search(r"\.\[([\w,]+)\]", text)
    assert extras is not None
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])


def test_secrets_are_those_that_readme_makes() -> None:
    made = set(re.findall(r"--from-literal=([\w-]+)=", README))
    used = set()
    for container in containers():
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                assert reference["name"] == "taskgroup"
                used.add(reference["key"])
    for template in templates():
        for volume in template["spec"].get("volumes", []):
            used |= {item["key"] for item in volume.get("secret", {}).get("items", [])}
    assert used == made


def test_pods_have_what_they_speak_of() -> None:
    claims = {one["metadata"]["name"] for one in of_kind("PersistentVolumeClaim")}
    for one in of_kind("StatefulSet"):
        claims |= {claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]}
    for template in templates():
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])} | claims
        for volume in template["spec"].get("volumes", []):
            assert volume.get("persistentVolumeClaim", {}).get("claimName", "taskgroup-data") in claims
        for container in template["spec"]["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
            ports = {port["name"] for port in container.get("ports", [])}
            probes = [container.get(f"{name}Probe", {}) for name in ("startup", "readiness", "liveness")]
            assert {probe["httpGet"]["port"] for probe in probes if "httpGet" in probe} <= ports
            assert "memory" in container["resources"]["limits"]


def test_services_lead_to_pods() -> None:
    pods = list(templates())
    for service in of_kind("Service"):
        (wanted,) = service["spec"]["selector"].items()
        (pod,) = [pod for pod in pods if wanted in pod.get("metadata", {}).get("labels", {}).items()]
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port.get("targetPort", port["name"]) for port in service["spec"]["ports"]} <= ports
    for one in of_kind("Deployment") + of_kind("StatefulSet"):
        assert one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
    (ray,) = of_kind("RayCluster")
    (server,) = [container for container in containers() if container["name"] == "server"]
    assert f"--address={ray['metadata']['name']}-head-svc:6379" in server["args"][0]
    databases = {variable["value"] for variable in server["env"] if variable["name"] == "PGHOST"}
    assert databases <= {one["metadata"]["name"] for one in of_kind("Service")}


def test_kustomize_builds_the_manifests_with_the_image_everywhere() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", str(KUBERNETES)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(manifests())
    assert all(one["metadata"].get("namespace", "taskgroup") == "taskgroup" for one in built)
    images = re.findall(r"image: (\S+)", done.stdout)
    assert sorted(set(images)) == ["postgres:17", "registry.example/taskgroup:0.1.0"]
    assert len(images) == len(containers())


def test_every_file_is_spoken_of() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name not in ("README.md", "Dockerfile.dockerignore", ".env", "token"):
            named = path.name in README or path.name in (KUBERNETES / "kustomization.yaml").read_text()
            assert named, path
