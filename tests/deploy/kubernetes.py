"""The manifests of deploy/kubernetes/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.container import Container

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
SECRET_COMMAND = re.compile(r"--from-literal=([\w-]+)=")


def resources() -> list[dict[str, Any]]:
    return [
        each
        for name in KUSTOMIZATION["resources"]
        for each in yaml.safe_load_all((FOLDER / name).read_text())
    ]


def resource(kind: str, name: str) -> dict[str, Any]:
    return next(
        each for each in resources() if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )


def templates() -> dict[str, dict[str, Any]]:
    """The pods that the manifests make, by the name of what makes them."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in resources()
        if "template" in each.get("spec", {})
    }


def settings() -> dict[str, str]:
    return dict(resource("ConfigMap", "agentguard")["data"])


def write_secret(container: Container) -> None:
    """Put what docker-compose.yml's keys are where the Secret of the manifests would be mounted."""
    keys = container.root / "keys"
    sources = {
        "api-key": "agentguard/key",
        "postgres-password": "postgresql/key",
        "neo4j-password": "neo4j/key",
        "redis-password": "redis/key",
        "celery-broker-url": "rabbitmq/url",
    }
    for name, source in sources.items():
        (keys / name).write_text((keys / source).read_text())


def documented_secrets() -> set[str]:
    """The names that docs/deploy.md gives to the keys of the Secret."""
    return set(SECRET_COMMAND.findall((ROOT / "docs" / "deploy.md").read_text()))
