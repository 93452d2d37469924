"""deploy/kubernetes/: against Kubernetes' own schemas, and what these do not know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from agentguard.settings import load_settings
from tests.deploy import compose, kubernetes
from tests.deploy.container import CLOSING_SECONDS, IMAGE, USER
from tests.deploy.names import known_settings

PODS = kubernetes.templates()
SETTINGS = kubernetes.settings()
EACH_POD = pytest.mark.parametrize(
    "pod", [template["spec"] for template in PODS.values()], ids=list(PODS)
)


def container_of(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    return dict(only)


@pytest.mark.parametrize(
    "manifest",
    kubernetes.resources(),
    ids=lambda each: f"{each['kind']}-{each['metadata']['name']}",
)
def test_it_keeps_to_the_schema(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_every_file_is_named_by_the_kustomization() -> None:
    files = {path.name for path in kubernetes.FOLDER.glob("*.yaml")} - {"kustomization.yaml"}

    assert set(kubernetes.KUSTOMIZATION["resources"]) == files


def test_the_image_is_the_one_that_the_kustomization_names() -> None:
    (image,) = kubernetes.KUSTOMIZATION["images"]

    assert {container_of(template["spec"])["image"] for template in PODS.values()} == {
        image["name"]
    }
    assert image["newTag"] == IMAGE.pairs("LABEL")["org.opencontainers.image.version"]


def test_no_secret_stands_in_the_files() -> None:
    assert not [each for each in kubernetes.resources() if each["kind"] == "Secret"]


@EACH_POD
def test_a_pod_keeps_to_the_restricted_profile_and_writes_only_its_volumes(
    pod: dict[str, Any],
) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == USER
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container_of(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False


@EACH_POD
def test_services_of_the_cluster_set_no_variables(pod: dict[str, Any]) -> None:
    """A Service named redis would set REDIS_PORT to tcp://…, a Service named agentguard a setting
    that is unknown.
    """
    assert pod["enableServiceLinks"] is False


@EACH_POD
def test_what_a_pod_mounts_exists(pod: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    container = container_of(pod)

    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {
        f"/{name}" for name in volumes
    }
    assert kubernetes.resource(
        "PersistentVolumeClaim", volumes["data"]["persistentVolumeClaim"]["claimName"]
    )
    assert container["envFrom"] == [{"configMapRef": {"name": "agentguard"}}]
    assert kubernetes.resource("ConfigMap", "agentguard")
    assert volumes["keys"]["secret"]["secretName"] == "agentguard"
    assert volumes["keys"]["secret"]["defaultMode"] == 0o440


@EACH_POD
def test_a_pod_asks_for_resources_and_is_bounded(pod: dict[str, Any]) -> None:
    resources = container_of(pod)["resources"]

    assert set(resources["requests"]) == {"cpu", "memory"}
    assert "memory" in resources["limits"]


def test_settings_are_known_and_can_be_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(SETTINGS) - known_settings() == set()
    for name in (name for name in SETTINGS if not name.endswith("_FILE")):
        monkeypatch.setenv(name, SETTINGS[name])
    assert load_settings().postgres is not None


def test_every_secret_file_is_documented() -> None:
    files = {
        value.removeprefix("/keys/") for name, value in SETTINGS.items() if name.endswith("_FILE")
    }

    assert all(
        value.startswith("/keys/") for name, value in SETTINGS.items() if name.endswith("_FILE")
    )
    assert kubernetes.documented_secrets() == files


def test_commands_are_those_of_compose() -> None:
    services = compose.read()["services"]

    assert (
        container_of(PODS["agentguard-migrate"]["spec"])["command"]
        == services["migrate"]["command"]
    )
    assert (
        container_of(PODS["agentguard-worker"]["spec"])["command"] == services["worker"]["command"]
    )
    assert "command" not in container_of(PODS["agentguard-api"]["spec"])  # the image's own


def test_the_probes_ask_what_they_mean() -> None:
    api = container_of(PODS["agentguard-api"]["spec"])

    assert (
        api["startupProbe"]["httpGet"]["path"]
        == api["livenessProbe"]["httpGet"]["path"]
        == "/health/live"
    )
    assert api["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    http, grpc = map(int, IMAGE.one("EXPOSE").split())
    assert api["ports"] == [
        {"name": "http", "containerPort": http},
        {"name": "otlp-grpc", "containerPort": grpc},
    ]


def test_a_pod_has_time_to_finish_what_is_in_work() -> None:
    api = PODS["agentguard-api"]["spec"]
    before = int(container_of(api)["lifecycle"]["preStop"]["exec"]["command"][1])

    assert (
        api["terminationGracePeriodSeconds"]
        > before + int(SETTINGS["AGENTGUARD_SHUTDOWN_SECONDS"]) + CLOSING_SECONDS
    )


def test_what_is_selected_exists() -> None:
    specs = [each["spec"] for each in kubernetes.resources() if "spec" in each]
    selectors = [
        spec.get("selector") or spec["podSelector"]
        for spec in specs
        if "selector" in spec or "podSelector" in spec
    ]
    wanted = [selector.get("matchLabels", selector) for selector in selectors]

    assert len(wanted) == 6
    assert [
        each
        for each in wanted
        if not any(each.items() <= pod["metadata"]["labels"].items() for pod in PODS.values())
    ] == []


def test_pods_may_reach_the_servers_that_the_settings_name() -> None:
    (rules,) = [
        each["spec"]["egress"]
        for each in kubernetes.resources()
        if "egress" in each.get("spec", {})
    ]
    open_ports = {port["port"] for rule in rules for port in rule["ports"]}
    named = {
        int(found)
        for value in SETTINGS.values()
        for found in re.findall(r"^(?:\w+://[\w.-]+:)?(\d{4,5})$", value)
    }

    assert named | {53, 5672} == open_ports
