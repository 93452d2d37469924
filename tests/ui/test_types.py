"""The UI's source compiles and passes its tests; its packages are pinned, its files small."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from agentguard.web.ui import FOLDER, installed
from scripts.services.process import ServiceError
from scripts.ui_build import LEFT_OUT, SOURCE
from tests.services import _missing
from tests.ui.packages import run, ui_packages

pytestmark = pytest.mark.xdist_group("ui")

CLIENTS = (
    Path("clients/typescript/schema.d.ts"),
    Path("clients/javascript/verify.d.mts"),
    Path("clients/javascript/verify.mjs"),
)
ROOT = Path(__file__).parents[2]
FIRST_LOAD_BYTES = 180_000
ALL_BYTES = 350_000
FONT_BYTES = 60_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of ui/ with all its packages."""
    try:
        packages = ui_packages()
    except ServiceError as error:
        _missing(str(error))
    shutil.copytree(SOURCE, tmp_path / "ui", ignore=shutil.ignore_patterns(*LEFT_OUT))
    (tmp_path / "ui" / "node_modules").symlink_to(packages / "node_modules")
    for client in CLIENTS:
        (tmp_path / client).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / client, tmp_path / client)
    return tmp_path / "ui"


def test_the_source_compiles_strictly(source: Path) -> None:
    run(source, "npx", "tsc", "--noEmit")


def test_layouts_and_neighbourhoods_keep_their_properties(source: Path) -> None:
    assert list(source.rglob("*.test.ts"))
    run(source, "npx", "vitest", "run")


def test_the_lock_file_names_no_registry_and_every_version_is_exact() -> None:
    package = json.loads((SOURCE / "package.json").read_text())
    versions = [*package["dependencies"].values(), *package["devDependencies"].values()]

    assert '"resolved"' not in (SOURCE / "package-lock.json").read_text()
    assert all(version[0].isdigit() for version in versions)


def test_what_a_browser_loads_stays_within_the_budget() -> None:
    if not installed():
        _missing("the UI is not built (run scripts/setup.sh dev)")
    page = (FOLDER / "index.html").read_text()
    sizes = {
        each.name: len(gzip.compress(each.read_bytes(), 9))
        for each in (FOLDER / "ui-files").iterdir()
        if each.suffix in (".js", ".css")
    }
    fonts = sum(each.stat().st_size for each in (FOLDER / "ui-files").glob("*.woff2"))

    assert sum(n for name, n in sizes.items() if name in page) <= FIRST_LOAD_BYTES
    assert sum(sizes.values()) <= ALL_BYTES
    assert fonts <= FONT_BYTES
    assert not list(FOLDER.rglob("*.map"))
