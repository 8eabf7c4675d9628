"""The container files, checked without an engine: their schema, and that what they name exists."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import yaml

from api.settings import Settings as ApiSettings
from worker.settings import Settings as WorkerSettings

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "docker-compose.yml"
CPU = ROOT / "docker-compose.cpu.yml"
DOCKERFILES = [ROOT / "Dockerfile.api", ROOT / "Dockerfile.worker"]
EXPORTED = ROOT / "worker" / "trainer" / "export" / "Dockerfile"
SECRETS = ["POSTGRES_PASSWORD", "VALKEY_PASSWORD", "NETMORPH_ADMIN_KEY", "NETMORPH_WORKER_KEY"]


class _ComposeLoader(yaml.SafeLoader):
    """YAML with compose's own tags, whose values are read as if they had none."""


def _untagged(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


_ComposeLoader.add_multi_constructor("!", _untagged)


def compose(path: Path = COMPOSE) -> dict[str, Any]:
    return yaml.load(path.read_text(), _ComposeLoader)  # a subclass of SafeLoader


def environment_of(service: str) -> dict[str, str]:
    return compose()["services"][service]["environment"]


@pytest.mark.parametrize("path", [COMPOSE, CPU], ids=lambda path: path.name)
def test_a_compose_file_is_valid(path: Path, tmp_path: Path) -> None:
    plain = tmp_path / "compose.yml"
    plain.write_text(yaml.safe_dump(compose(path)))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            plain,
        ],
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(
    shutil.which("hadolint", path=str(Path(sys.executable).parent)) is None,
    reason="hadolint has a wheel for x86-64 alone",
)
@pytest.mark.parametrize("path", [*DOCKERFILES, EXPORTED], ids=lambda path: path.name)
def test_a_dockerfile_passes_the_linter(path: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    finished = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_a_dockerfile_copies_exists_and_reaches_the_builder(path: Path) -> None:
    allowed = {
        line[1:].rstrip("/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for line in re.findall(r"^COPY (?!--from)(.+)$", path.read_text(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), f"{source} is copied and does not exist"
            assert source in allowed, f"{source} is kept out by .dockerignore"


def test_images_of_others_are_pinned_by_tag_and_digest() -> None:
    images = [
        image
        for path in (*DOCKERFILES, EXPORTED)
        for image in re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE)
    ]
    images += [
        service["image"]
        for service in compose()["services"].values()
        if not service["image"].startswith("netmorph-")
    ]
    for image in images:
        assert re.fullmatch(r"[a-z/]+:[0-9][a-z0-9.-]*@sha256:[0-9a-f]{64}", image), image
    assert len(set(images)) == 3  # the same Python everywhere, PostgreSQL and Valkey


def test_the_api_image_installs_no_torch() -> None:
    text = (ROOT / "Dockerfile.api").read_text()
    assert "torch==" not in text
    assert "[worker]" not in text


def test_images_run_as_a_numbered_user_that_is_not_root() -> None:
    for path in (*DOCKERFILES, EXPORTED):
        users = re.findall(r"^USER (\d+):(\d+)$", path.read_text(), re.MULTILINE)
        assert len(users) == 1
        assert all(int(part) > 0 for part in users[0])


@pytest.mark.parametrize("service", ["api", "migrate", "worker"])
def test_a_service_runs_a_module_that_exists(service: str) -> None:
    command = compose()["services"][service]["command"]
    assert command[:3] == ["python", "-P", "-m"]
    assert importlib.util.find_spec(f"{command[3]}.__main__") is not None


@pytest.mark.parametrize(
    ("service", "settings"),
    [("api", ApiSettings), ("migrate", ApiSettings), ("worker", WorkerSettings)],
)
def test_every_setting_of_a_service_is_one_that_the_program_reads(
    service: str, settings: type[ApiSettings] | type[WorkerSettings]
) -> None:
    known = {f"NETMORPH_{name.upper()}" for name in settings.model_fields}
    given = set(environment_of(service)) | set(
        compose(CPU)["services"].get(service, {}).get("environment", {})
    )
    assert {name for name in given if name.startswith("NETMORPH_")} <= known


#: Settings that the compose file does not give to a service.
_NOT_IN_COMPOSE = {
    "api": {  # times that fit each other
        "lease_seconds", "checkpoint_seconds", "reconcile_seconds", "leader_seconds",
        "discard_seconds", "lost_data_seconds", "orphan_seconds",
    },
    "worker": {
        "heartbeat_seconds", "poll_seconds", "hang_seconds", "stop_seconds",  # as above
        "worker_name", "state_dir",  # of one replica
        "trials_per_trainer", "trainer_command",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("service", "settings"), [("api", ApiSettings), ("worker", WorkerSettings)]
)
def test_every_setting_is_given_by_the_compose_file_or_left_out_on_purpose(
    service: str, settings: type[ApiSettings] | type[WorkerSettings]
) -> None:
    given = {name.removeprefix("NETMORPH_").lower() for name in environment_of(service)}
    assert set(settings.model_fields) - given == _NOT_IN_COMPOSE[service]


@pytest.mark.parametrize(
    ("service", "settings"), [("api", ApiSettings), ("worker", WorkerSettings)]
)
def test_an_empty_optional_setting_has_its_default(
    service: str,
    settings: type[ApiSettings] | type[WorkerSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optional = {
        name
        for name, value in environment_of(service).items()
        if value.startswith("${NETMORPH_") and value.endswith(":-}")
    }
    assert "NETMORPH_LOG_LEVEL" in optional
    for name in settings.model_fields:
        monkeypatch.delenv(f"NETMORPH_{name.upper()}", raising=False)
    for name, field in settings.model_fields.items():
        if field.is_required():
            monkeypatch.setenv(f"NETMORPH_{name.upper()}", "http://required:1/0")
    monkeypatch.setenv("NETMORPH_DATABASE_URL", "postgresql://required/netmorph")
    default = settings()
    for name in optional:
        monkeypatch.setenv(name, "")
    assert settings() == default


def test_every_variable_that_the_code_names_is_a_setting_or_an_option() -> None:
    settings = {*ApiSettings.model_fields, *WorkerSettings.model_fields}
    options = {"url", "key", "data_dir"}  # of the commands
    known = {f"NETMORPH_{name.upper()}" for name in settings | options}
    known |= {"NETMORPH_X", "NETMORPH_X_FILE"}  # any setting, in an explanation
    for room in ("api", "core", "netmorph", "worker"):
        for path in (ROOT / room).rglob("*.py"):
            named = set(re.findall(r"[\"'`](NETMORPH_[A-Z_]*[A-Z])\b", path.read_text()))
            assert named <= known, path


def test_nothing_starts_on_an_empty_secret() -> None:
    text = COMPOSE.read_text()
    for secret in SECRETS:
        uses = re.findall(r"\$\{" + secret + r"([^}]*)\}", text)
        assert uses, f"{secret} is not used"
        assert all(use.startswith(":?") for use in uses), f"{secret} has a default"


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    example = (ROOT / ".env.example").read_text()
    values = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert {secret: values[secret] for secret in SECRETS} == dict.fromkeys(SECRETS, "")
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text() + CPU.read_text()))
    assert used == set(values)


def test_the_pages_name_services_that_the_compose_file_has() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    named = re.findall(r"docker compose exec -T (\S+)", text)
    named += re.findall(r"docker compose run .*--entrypoint \S+ (\S+)", text)
    named += re.findall(r"docker compose up .*--scale ([a-z]+)=", text)
    stopped = re.findall(r"docker compose (?:stop|up -d --wait) ([a-z ]+)$", text, re.MULTILINE)
    named += " ".join(stopped).split()
    assert {"postgres", "api", "worker"} == set(named) & set(compose()["services"]) == set(named)


def test_only_the_api_publishes_a_port() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["api"]
    assert compose()["networks"]["backend"] == {"internal": True}


def test_volumes_that_are_used_are_declared() -> None:
    document = compose()
    used = {
        volume.split(":")[0]
        for service in document["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(document["volumes"])


def test_workers_reserve_all_gpus_and_the_cpu_file_takes_the_reservation_away() -> None:
    (device,) = compose()["services"]["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    override = compose(CPU)["services"]["worker"]
    assert "reservations" not in override["deploy"]["resources"]
    assert "deploy: !override" in CPU.read_text()
    assert override["environment"]["NETMORPH_DEVICE"] == "cpu"


def test_the_broker_refuses_rather_than_forgets_and_wants_a_password() -> None:
    command = " ".join(compose()["services"]["valkey"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert '--requirepass "$$VALKEY_PASSWORD"' in command


def test_services_run_without_privileges() -> None:
    for name, service in compose()["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "postgres":  # its entry point gives the volume to its own account
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name


def test_every_service_has_bounds_of_memory_logs_and_temporary_files() -> None:
    for name, service in compose()["services"].items():
        assert re.fullmatch(r"\d+[gm]|\$\{[A-Z_]+_MEMORY:-\d+g\}", service["mem_limit"]), name
        assert service["logging"]["driver"] == "json-file", name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        for mount in service.get("tmpfs", []):
            assert re.fullmatch(r"/tmp:size=\d+[gm]", mount), name
        if service.get("read_only") and name != "migrate":
            assert service["tmpfs"], name


def test_uploads_and_the_temporary_files_of_the_api_are_on_a_disk() -> None:
    api = compose()["services"]["api"]
    assert f"api-cache:{api['environment']['TMPDIR']}" in api["volumes"]


@pytest.mark.parametrize("service", ["api", "worker"])
def test_an_unhealthy_service_is_killed_and_restarted(service: str) -> None:
    document = compose()["services"][service]
    check = document["healthcheck"]
    command, path, module, failures = check["test"]
    assert (command, module) == ("CMD", service)
    assert path == "/opt/netmorph/container/healthcheck"
    assert document["init"] is True  # the script kills the children of docker's init process
    assert document["restart"] == "unless-stopped"
    seconds = {name: int(check[name].removesuffix("s")) for name in ("interval", "start_period")}
    assert seconds["interval"] * int(failures) > 2 * seconds["start_period"]


def _service_under(init: Path, marker: Path) -> subprocess.Popen[bytes]:
    """A process with a child, in place of docker's init process and the service."""
    return subprocess.Popen(["sh", "-c", f"sleep 300 & echo $! > {marker}; wait; exit 9"], cwd=init)


def test_the_health_check_kills_the_service_after_failures_in_a_row(tmp_path: Path) -> None:
    """A module stands in for the service: it is healthy while a file is there."""
    healthy, started = tmp_path / "healthy", tmp_path / "started"
    (tmp_path / "service.py").write_text(
        f"import pathlib, sys; sys.exit(not pathlib.Path({str(healthy)!r}).exists())"
    )
    environment = os.environ | {
        "FAILURES_FOLDER": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with _service_under(tmp_path, started) as init:

        def check() -> int:
            command = [ROOT / "deploy/container/healthcheck", "service", "2", str(init.pid)]
            return subprocess.run(command, env=environment, check=False).returncode

        _wait_until(lambda: started.exists() and started.read_text())
        assert check() == 1
        healthy.touch()
        assert check() == 0
        healthy.unlink()
        assert check() == 1
        assert init.poll() is None  # two failures, but not in a row
        assert check() == 1
        assert init.wait(timeout=20) == 9  # its child has been killed


def _filled(service: str, values: dict[str, str]) -> dict[str, str]:
    """The environment of a service with its variables filled in, as compose does."""

    def fill(match: re.Match[str]) -> str:
        return values.get(match[1]) or (match[2] or "")

    pattern = re.compile(r"\$\{([A-Z_]+)(?::[-?]([^}]*))?\}")
    return {key: pattern.sub(fill, str(value)) for key, value in environment_of(service).items()}


def _arguments(service: str, port: int) -> list[str]:
    command = [sys.executable, *compose()["services"][service]["command"][1:]]
    return [{"0.0.0.0": "127.0.0.1", "8000": str(port)}.get(word, word) for word in command]


def test_the_commands_of_the_services_run_with_their_environment(
    empty_database_url: str, broker_url: str, storage_url: str, tmp_path: Path
) -> None:
    """migrate, api and worker as processes; only the hosts differ from the compose file."""
    free_port = _free_port()
    key, worker_key = "netmorph_" + "a" * 43, "netmorph_" + "b" * 43
    values = {"NETMORPH_ADMIN_KEY": key, "NETMORPH_WORKER_KEY": worker_key}
    places = {
        "NETMORPH_DATABASE_URL": empty_database_url,
        "NETMORPH_BROKER_URL": broker_url,
        "NETMORPH_STORAGE_URL": storage_url,
        "NETMORPH_API_URL": f"http://127.0.0.1:{free_port}",
        "NETMORPH_CACHE_DIR": str(tmp_path / "cache"),
        "NETMORPH_SLOT_DIR": str(tmp_path / "slots"),
        "NETMORPH_DEVICE": "cpu",  # the one GPU of this test
    }

    def environment(service: str) -> dict[str, str]:
        filled = _filled(service, values)
        return os.environ | filled | {name: places[name] for name in places if name in filled}

    def start(service: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            _arguments(service, free_port), env=environment(service), cwd=tmp_path
        )

    assert start("migrate").wait(timeout=60) == 0
    with start("api") as api, start("worker") as worker:
        try:
            with httpx.Client(
                base_url=places["NETMORPH_API_URL"], headers={"Authorization": f"Bearer {key}"}
            ) as client:
                _wait_until(lambda: _ready(client))
                _wait_until(lambda: client.get("/v1/workers").json()["items"])
        finally:
            worker.terminate()
            api.terminate()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Ask ten times a second until the condition holds."""
    deadline, pause = time.monotonic() + seconds, Event()
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        pause.wait(0.1)


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("missing", ["NETMORPH_ADMIN_KEY", "NETMORPH_WORKER_KEY"])
def test_the_api_refuses_to_start_on_an_empty_key(
    missing: str, database_url: str, broker_url: str, storage_url: str
) -> None:
    environment = os.environ | {
        "NETMORPH_DATABASE_URL": database_url,
        "NETMORPH_BROKER_URL": broker_url,
        "NETMORPH_STORAGE_URL": storage_url,
        "NETMORPH_ADMIN_KEY": "netmorph_" + "a" * 43,
        "NETMORPH_WORKER_KEY": "netmorph_" + "b" * 43,
        missing: "",
    }
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "api", "serve", "--port", "0"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode != 0
    assert missing in finished.stderr
    assert "Traceback" not in finished.stderr
