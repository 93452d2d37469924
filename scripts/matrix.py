"""`python -m scripts.matrix check|write`: does the tree match the one that `make test-all` passed?

`make test-all` runs the kill and health matrices and then writes the hash of what they guard.
`.ci/run` runs the matrices itself when the tree's hash differs from the committed one.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PASSED = Path("tests") / "matrix.sha256"
"""Holds the hash of the tree for which the matrices last passed."""
CODE = (
    "adapters",
    "audit",
    "bootstrap",
    "compute",
    "coordination",
    "graph/projection.py",
    "graph/storage",
    "health.py",
    "jobs",
    "retention",
    "scan",
    "traces",
    "unit_of_work.py",
)
SHELLS = ("web", "worker")
TESTS = (
    "adapters",
    "audit_kill",
    "conformance",
    "deploy",
    "evm",
    "health",
    "ingest_kill",
    "jobs",
    "jobs_kill",
    "web",
)
GUARDED = (
    *(f"src/agentguard/{name}" for name in (*CODE, *SHELLS)),
    *(f"tests/{name}" for name in TESTS),
    "deploy",
    "docker-compose.yml",
    "Dockerfile",
    "scripts/services",
)
"""Folders and files whose change calls for the matrices."""


def guarded_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield the guarded files in a fixed order, compiled ones left out."""
    for name in GUARDED:
        yield from sorted(
            path
            for path in (root / name, *(root / name).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        )


def tree_hash(root: Path = ROOT) -> str:
    """Return the SHA-256 over the names and the contents of all guarded files, in hex."""
    digest = hashlib.sha256()
    for path in guarded_files(root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def matches(root: Path = ROOT) -> bool:
    passed = root / PASSED
    return passed.exists() and passed.read_text().strip() == tree_hash(root)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["check"]:
            return 0 if matches() else 1
        case ["write"]:
            (ROOT / PASSED).write_text(f"{tree_hash()}\n")
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
