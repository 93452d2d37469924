"""Keys for docker-compose.yml.

`make FOLDER` creates the missing keys; `settings FOLDER` prints settings with which programs
outside the containers reach the servers. Each server's key is in a volume that only this server and
AgentGuard mount. Uses only the standard library.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

AGENTGUARD = 10001
"""Group id of AgentGuard, which reads every key."""
OWNERS = {"agentguard": AGENTGUARD, "postgresql": 999, "neo4j": 7474, "redis": 999, "rabbitmq": 999}
"""User ids that the images run as; each reads its own key."""
FORMS = {
    "neo4j": {"auth": "neo4j/{}"},
    "redis": {"redis.conf": "requirepass {}\n"},
    "rabbitmq": {
        "rabbitmq.conf": "default_user = agentguard\ndefault_pass = {}\n",
        "url": "amqp://agentguard:{}@rabbitmq:5672//",
    },
}
"""Further files with the same key, in the format that a server or AgentGuard reads."""
SETTINGS = """\
AGENTGUARD_DATABASE_URL=postgresql://agentguard:{postgresql}@127.0.0.1:{POSTGRES_PORT}/agentguard
NEO4J_URI=bolt://127.0.0.1:{NEO4J_PORT}
NEO4J_USER=neo4j
NEO4J_PASSWORD={neo4j}
AGENTGUARD_REDIS_URL=redis://:{redis}@127.0.0.1:{REDIS_PORT}/0
CELERY_BROKER_URL=amqp://agentguard:{rabbitmq}@127.0.0.1:{RABBITMQ_PORT}//
"""


def main(task: str, folder: Path) -> None:
    if task == "settings":
        print(
            SETTINGS.format(
                **{name: (folder / name / "key").read_text() for name in OWNERS}, **os.environ
            ),
            end="",
        )
        return
    for name, owner in OWNERS.items():
        make(folder / name, owner, FORMS.get(name, {}))
    print("AgentGuard's API key: docker compose exec agentguard cat /keys/agentguard/key")


def make(folder: Path, owner: int, forms: dict[str, str]) -> None:
    """Create the key unless it exists, and write its further files."""
    if not (folder / "key").exists():
        keep(folder / "key", secrets.token_hex(32), owner)
    key = (folder / "key").read_text()
    for name, form in forms.items():
        keep(folder / name, form.format(key), owner)


def keep(path: Path, text: str, owner: int) -> None:
    """Write the file atomically, readable by its owner and by AgentGuard."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.chmod(0o440)
    os.chown(unfinished, owner, AGENTGUARD)
    unfinished.replace(path)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
