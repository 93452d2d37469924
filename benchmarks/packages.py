"""Graphs of the shape of Debian 12's packages: requirement groups, some with alternatives."""

from __future__ import annotations

import random
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

APT_LISTS = Path("/var/lib/apt/lists")
_HELPER = "/usr/lib/apt/apt-helper"

Groups = list[tuple[int, tuple[int, ...]]]


def generated(
    seed: int, *, nodes: int = 63_666, groups: int = 279_869, alternatives: int = 8_768
) -> Groups:
    """Return groups (owner, members) in the numbers of the whole of Debian 12.

    An owner needs nodes below its own number, mostly a few that nearly everything needs: the
    member's number is u**7 × owner, u uniform in [0, 1). One group in 2,000 has members up to 19
    numbers above its owner, which makes small cycles. Alternatives have two to four members.

    The exponent is that of 4, 6, 7 and 8 whose mean blast radius is nearest to that of Debian 12
    for amd64 (`installed`): 58.5 nodes against 54.6. Half of the nodes have a radius of at most 1
    in both; 99 % of at most 470 against 639, 99.9 % of at most 13,083 against 9,787; the largest
    radius is 63,166 against 49,589.
    """
    chance = random.Random(seed)
    found: set[tuple[int, tuple[int, ...]]] = set()
    while len(found) < groups:
        owner = chance.randrange(1, nodes)
        size = chance.choice((2, 2, 2, 3, 4)) if len(found) < alternatives else 1
        if chance.randrange(2_000):
            members = {int(chance.random() ** 7 * owner) for _ in range(size)}
        else:
            members = {min(nodes - 1, owner + chance.randrange(1, 20)) for _ in range(size)}
        if len(members - {owner}) == size:
            found.add((owner, tuple(sorted(members))))
    return sorted(found)


def installed() -> tuple[int, Groups] | None:
    """Return the number of packages in apt's lists, and their groups; None without lists.

    Depends and Pre-Depends; a virtual package is whatever provides it; versions do not count.
    """
    packages = {p["Package"]: p for p in _stanzas() if "Package" in p}
    if not packages:
        return None
    number = {name: i for i, name in enumerate(sorted(packages))}
    provided: dict[str, set[int]] = defaultdict(set)
    for name, package in packages.items():
        for each in (name, *package.get("Provides", "").split(",")):
            provided[_name(each)].add(number[name])
    clauses = (
        (number[name], clause)
        for name, package in packages.items()
        for field in ("Pre-Depends", "Depends")
        for clause in package.get(field, "").split(",")
        if clause.strip()
    )
    found = {
        (owner, tuple(sorted(set().union(*(provided[_name(c)] for c in clause.split("|"))))))
        for owner, clause in clauses
    }
    return len(number), sorted(found)


def _name(text: str) -> str:
    return text.strip().split(" ")[0].split(":")[0]


def _stanzas() -> Iterator[dict[str, str]]:
    for path in sorted(APT_LISTS.glob("*_Packages*")) if Path(_HELPER).exists() else ():
        read = subprocess.run([_HELPER, "cat-file", path], capture_output=True, check=True)
        for stanza in read.stdout.decode().split("\n\n"):
            yield dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line)
