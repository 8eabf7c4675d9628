"""The Helm chart: Helm itself renders it, and what it renders fits the schemas of Kubernetes."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import psycopg
import pytest
import yaml

from api.schemas.queue import QueueStatsOut
from api.settings import Settings as ApiSettings
from core.protocol.states import TRAINING_SEARCH
from worker.settings import Settings as WorkerSettings

helm = pytest.importorskip("helm_python", reason="helm-python-sdk has wheels for few platforms")

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "netmorph"
LEAST = {"existingSecret": "secrets"}
OPERATED = {"ServiceMonitor", "ScaledObject", "TriggerAuthentication"}  # Prometheus', KEDA's kinds
MONITOR = {"serviceMonitor": {"enabled": True, "keySecret": {"name": "metrics", "key": "key"}}}
SCALED = {"worker": {"autoscaling": {"enabled": True, "maxReplicas": 4}}}
KEY_SECRET = {"name": "keys", "key": "scaler"}
ASKED = {"worker": {"autoscaling": {"enabled": True, "source": "api", "keySecret": KEY_SECRET}}}
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "monitored": MONITOR,
    "scaled": SCALED,
    "asked": ASKED,
    "a bucket": {"storage": {"url": "s3://bucket/netmorph"}},
    "a claim": {"storage": {"existingClaim": "shared", "storageClassName": "nfs"}},
    "bare": {
        "migration": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "api": {"podDisruptionBudget": {"enabled": False}, "replicas": 1},
        "worker": {"podDisruptionBudget": {"enabled": False}, "replicas": 0},
    },
    "placed": {
        "imagePullSecrets": [{"name": "registry"}],
        "api": {
            "allowedHosts": ["netmorph.example"],
            "env": {"NETMORPH_MAX_ATTEMPTS": "5"},
            "nodeSelector": {"disk": "ssd"},
        },
        "worker": {
            "device": "cuda",
            "resources": {"limits": {"cpu": 8, "nvidia.com/gpu": 1}},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
        },
        "networkPolicy": {"apiFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
    },
}


@pytest.fixture(scope="module")
def chart() -> Iterator[Any]:
    with helm.Chart.load(str(CHART)) as loaded:
        yield loaded


def rendered(chart: Any, name: str = "demo", **values: Any) -> dict[str, dict[str, Any]]:
    """The manifests by kind and the end of their names."""
    files = chart.render(LEAST | values, name=name, namespace="prod")
    found = {}
    for path, text in files.items():
        if path.endswith(".yaml"):
            for manifest in filter(None, yaml.safe_load_all(text)):
                key = f"{manifest['kind']} {manifest['metadata']['name'].rpartition('-')[2]}"
                assert key not in found
                found[key] = manifest
    return found


def pods(manifests: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The templates of pods by component."""
    return {
        key.partition(" ")[2]: manifest["spec"]["template"]
        for key, manifest in manifests.items()
        if manifest["kind"] in {"Deployment", "Job"}
    }


def environment(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (container,) = pod["spec"]["containers"]
    return {one["name"]: one for one in container["env"]}


@pytest.mark.parametrize(
    ("name", "kubernetes"), [("placed", "1.27"), *((name, "1.34") for name in VARIANTS)]
)
def test_every_manifest_fits_the_schema_of_kubernetes(chart, name, kubernetes) -> None:
    for manifest in rendered(chart, **VARIANTS[name]).values():
        if manifest["kind"] not in OPERATED:
            kubernetes_validate.validate(manifest, kubernetes, strict=True)


def test_a_manifest_with_a_fault_does_not_fit(chart) -> None:
    manifest = rendered(chart)["Deployment api"]
    manifest["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.34", strict=True)


def test_helm_finds_nothing_wrong() -> None:
    report = helm.lint(str(CHART), values=LEAST)
    assert report["errors"] == []
    assert [one for one in report["messages"] if one["severity"] > 1] == []  # 1: information


def test_the_default_release_has_these_parts_and_no_other(chart) -> None:
    assert set(rendered(chart)) == {
        "Deployment api", "Service api", "Deployment worker", "Job migration",
        "PersistentVolumeClaim storage", "PodDisruptionBudget api", "PodDisruptionBudget worker",
        "NetworkPolicy api", "NetworkPolicy worker", "NetworkPolicy migration",
    }  # fmt: skip


def test_parts_can_be_switched_off_or_on(chart) -> None:
    bare = set(rendered(chart, **VARIANTS["bare"]))
    assert bare == {
        "Deployment api", "Service api", "Deployment worker", "PersistentVolumeClaim storage",
    }  # fmt: skip
    assert set(rendered(chart, **MONITOR)) - set(rendered(chart)) == {"ServiceMonitor api"}


def test_keda_scales_the_workers_on_the_trials_in_the_database(chart, database_url) -> None:
    manifests = rendered(chart, **SCALED)
    added = {"ScaledObject worker", "TriggerAuthentication worker"}
    assert set(manifests) - set(rendered(chart)) == added
    scaled = manifests["ScaledObject worker"]["spec"]
    deployment = manifests["Deployment worker"]
    assert scaled["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]  # an upgrade must not undo the scaling
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 4)
    (trigger,) = scaled["triggers"]
    authentication = manifests["TriggerAuthentication worker"]
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "connection", "name": "secrets", "key": "database-url"}
    ]
    query = trigger["metadata"]["query"]
    statuses = ", ".join(f"'{one}'" for one in sorted(TRAINING_SEARCH))
    assert f"searches.status IN ({statuses})" in query
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert connection.execute(query.encode()).fetchone() == (0,)


def test_keda_scales_the_workers_on_what_the_api_says(chart) -> None:
    manifests = rendered(chart, **ASKED)
    (trigger,) = manifests["ScaledObject worker"]["spec"]["triggers"]
    (secret,) = manifests["TriggerAuthentication worker"]["spec"]["secretTargetRef"]
    assert secret == {"parameter": "token", **KEY_SECRET}
    assert (trigger["type"], trigger["metadata"]["authMode"]) == ("metrics-api", "bearer")
    service = manifests["Service api"]
    host, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]
    url = urlsplit(trigger["metadata"]["url"])
    assert (url.port, url.path) == (port, "/v1/queue/stats")
    allowed = environment(pods(manifests)["api"])["NETMORPH_ALLOWED_HOSTS"]["value"].split(",")
    assert url.hostname in allowed
    assert url.hostname.startswith(f"{host}.")
    assert trigger["metadata"]["valueLocation"] in QueueStatsOut.model_fields


def test_the_migration_runs_before_installation_and_upgrade(chart) -> None:
    job = rendered(chart)["Job migration"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][-2:] == ["api", "migrate"]


@pytest.mark.parametrize("variant", ["a bucket", "a claim", "defaults"])
def test_storage_is_a_bucket_or_a_claim_that_api_and_workers_share(chart, variant) -> None:
    manifests = rendered(chart, **VARIANTS[variant])
    claim = {"a bucket": None, "a claim": "shared", "defaults": "demo-netmorph-storage"}[variant]
    assert ("PersistentVolumeClaim storage" in manifests) == (variant == "defaults")
    for component in ("api", "worker"):
        pod = pods(manifests)[component]
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        mounts = {
            one["name"]: one["mountPath"] for one in pod["spec"]["containers"][0]["volumeMounts"]
        }
        url = environment(pod)["NETMORPH_STORAGE_URL"]["value"]
        if claim is None:
            assert "storage" not in volumes | mounts
        else:
            assert volumes["storage"]["persistentVolumeClaim"]["claimName"] == claim
            assert url == f"file://{mounts['storage']}"


@pytest.mark.parametrize(
    ("component", "settings"),
    [("api", ApiSettings), ("worker", WorkerSettings), ("migration", ApiSettings)],
)
def test_every_variable_is_a_setting_of_its_program(chart, component, settings) -> None:
    known = {f"NETMORPH_{name.upper()}" for name in settings.model_fields}
    names = set(environment(pods(rendered(chart))[component]))
    assert {name for name in names if name != "POD_IP"} <= known


def test_secrets_come_from_the_secret_alone_and_each_program_has_only_its_own(chart) -> None:
    keys = {
        component: {
            one["valueFrom"]["secretKeyRef"]["key"]
            for one in environment(pod).values()
            if "secretKeyRef" in one.get("valueFrom", {})
            and one["valueFrom"]["secretKeyRef"]["name"] == "secrets"
        }
        for component, pod in pods(rendered(chart)).items()
    }
    assert keys == {
        "api": {"database-url", "broker-url", "admin-key", "worker-key"},
        "worker": {"broker-url", "worker-key"},
        "migration": {"database-url"},
    }


def test_pods_have_no_privileges_and_bounds_on_memory_and_volumes(chart) -> None:
    for component, pod in pods(rendered(chart)).items():
        (container,) = pod["spec"]["containers"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, component
        assert container["resources"]["limits"]["memory"]
        for volume in pod["spec"]["volumes"]:
            assert "persistentVolumeClaim" in volume or volume["emptyDir"]["sizeLimit"]


def test_the_largest_upload_fits_into_the_temporary_files_of_the_api() -> None:
    """As it is sent, and unpacked to four times its size, three times over."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    largest = ApiSettings.model_fields["max_upload_bytes"].default
    assert int(values["api"]["temporarySize"].removesuffix("Gi")) * 2**30 >= 13 * largest


def test_pods_run_as_the_user_of_the_images(chart) -> None:
    for name in ("Dockerfile.api", "Dockerfile.worker"):
        (user,) = re.findall(r"^USER (\d+):\1$", (ROOT / name).read_text(), re.MULTILINE)
        for pod in pods(rendered(chart)).values():
            assert pod["spec"]["securityContext"]["runAsUser"] == int(user)


def test_workers_and_probes_and_prometheus_use_hosts_that_the_api_allows(chart) -> None:
    manifests = rendered(chart, api={"allowedHosts": ["netmorph.example"]})
    api, worker = pods(manifests)["api"], pods(manifests)["worker"]
    allowed = environment(api)["NETMORPH_ALLOWED_HOSTS"]["value"].split(",")
    address = environment(worker)["NETMORPH_API_URL"]["value"]
    service = manifests["Service api"]["metadata"]["name"]
    assert address == f"http://{service}:8000"
    assert {service, f"{service}.prod.svc", "$(POD_IP)", "netmorph.example"} <= set(allowed)
    (container,) = api["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        (header,) = container[probe]["httpGet"]["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in allowed
    names = [one["name"] for one in container["env"]]
    assert names.index("POD_IP") < names.index("NETMORPH_ALLOWED_HOSTS")  # else not filled in


def test_selectors_find_their_pods_and_only_workers_reach_the_api_by_name(chart) -> None:
    manifests = rendered(chart)
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests).items()}
    for key, manifest in manifests.items():
        kind, _, component = key.partition(" ")
        selector = {
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        }.get(kind)
        if selector is not None:
            chosen = selector(manifest["spec"]).items()
            assert [name for name, own in labels.items() if chosen <= own.items()] == [component]
    limited = rendered(chart, **VARIANTS["placed"])["NetworkPolicy api"]["spec"]["ingress"][0]
    worker, ingress = limited["from"]
    assert worker["podSelector"]["matchLabels"].items() <= labels["worker"].items()
    assert ingress == {"namespaceSelector": {"matchLabels": {"name": "ingress"}}}


def test_the_monitor_reads_metrics_with_its_key(chart) -> None:
    monitor = rendered(chart, **MONITOR)["ServiceMonitor api"]["spec"]
    (endpoint,) = monitor["endpoints"]
    assert (endpoint["path"], endpoint["port"]) == ("/metrics", "http")
    assert endpoint["authorization"]["credentials"] == {"name": "metrics", "key": "key"}


@pytest.mark.parametrize(
    "values",
    [
        {"existingSecret": ""},
        {"replicas": 3},
        {"api": {"replicas": 0}},
        {"api": {"image": {"repository": ""}}},
        {"api": {"env": {"NETMORPH_MAX_ATTEMPTS": 5}}},
        {"worker": {"device": "tpu"}},
        {"worker": {"cacheSize": "much"}},
        {"storage": {"url": "/var/lib/netmorph"}},
        {"networkPolicy": {"enabled": "no"}},
        {"serviceMonitor": {"enabled": True}},
    ],
)
def test_wrong_values_are_refused(chart, values) -> None:
    with pytest.raises(helm.HelmError, match=next(iter(values))):
        rendered(chart, **values)


def test_every_value_is_in_the_schema_and_has_a_default() -> None:
    def compare(values: dict[str, Any], schema: dict[str, Any], path: str) -> None:
        assert set(values) == set(schema["properties"]) - {"global"}, path
        for name, value in values.items():
            if "properties" in schema["properties"][name]:
                compare(value, schema["properties"][name], f"{path}.{name}")

    schema = json.loads((CHART / "values.schema.json").read_text())
    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")


def test_the_chart_has_the_version_of_the_program(chart) -> None:
    program = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == about["version"] == program


def test_a_long_name_of_a_release_still_gives_valid_names(chart) -> None:
    for manifest in rendered(chart, name="a" * 53).values():
        assert len(manifest["metadata"]["name"]) <= 63
