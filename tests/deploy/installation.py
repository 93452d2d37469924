"""Puts into a folder what the Dockerfile puts into the image.

The wheel, and the packages that it needs with the extra `services`.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.container import IMAGE, ROOT, as_the_user

_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_READ = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def install(root: Path) -> None:
    """Fill /app below this folder, and close it: nobody may write there, everybody may read.

    The packages are those of this environment, by link, but only those that the image has: what
    only tests or the demo need is missing.
    """
    _run(sys.executable, "-m", "venv", "--without-pip", root / "app")
    packages = Path(
        sysconfig.get_path(
            "purelib", "venv", {"base": str(root / "app"), "platbase": str(root / "app")}
        )
    )
    for each in packages_of_the_image():
        _link_modules(each, packages)
        _write_programs(each, root / "app" / "bin")
    _install_wheel(root / "app" / "bin" / "python")
    for source, target in IMAGE.copied:
        shutil.copy(ROOT / source, f"{root}{target}")
    _close(root)
    _see_that_the_user_can_run(root / "app" / "bin" / "python")


def packages_of_the_image() -> list[Distribution]:
    """Return the requirements that the Dockerfile reads from pyproject.toml, and theirs in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    names = ("services", "sso", "web3", "gemini", "openai")
    required = (*project["dependencies"], *(each for name in names for each in extras[name]))
    waiting = [Requirement(text) for text in required]
    found: dict[tuple[str, str], Distribution] = {}
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            place = (canonicalize_name(wanted.name), extra)
            if place not in found:
                found[place] = distribution(wanted.name)
                waiting += _needs(found[place], extra)
    return list({name: each for (name, _), each in found.items()}.values())


def remove(root: Path) -> None:
    for folder in [
        root,
        *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()),
    ]:
        folder.chmod(folder.stat().st_mode | stat.S_IWUSR)
    shutil.rmtree(root)


def _needs(each: Distribution, extra: str) -> Iterable[Requirement]:
    return [
        one
        for one in map(Requirement, each.requires or ())
        if one.marker is None or one.marker.evaluate({"extra": extra})
    ]


def _link_modules(each: Distribution, packages: Path) -> None:
    for file in each.files or ():
        if ".." not in file.parts:
            (packages / file).parent.mkdir(parents=True, exist_ok=True)
            (packages / file).unlink(missing_ok=True)  # several packages have a docs/Makefile
            (packages / file).symlink_to(Path(str(file.locate())))


def _write_programs(each: Distribution, folder: Path) -> None:
    for entry in each.entry_points.select(group="console_scripts"):
        script = folder / entry.name
        script.write_text(
            f"#!{folder}/python\nimport sys\nfrom {entry.module} import"
            f" {entry.attr}\nsys.exit({entry.attr}())\n"
        )
        script.chmod(0o755)


def _install_wheel(python: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
        wheel = next(Path(folder).glob("*.whl"))
        _run(
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--no-deps",
            "--no-index",
            wheel,
        )


def _close(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~_WRITE | _READ)


def _see_that_the_user_can_run(python: Path) -> None:
    _run(*as_the_user(), python, "-I", "-c", "import agentguard")


def _run(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
