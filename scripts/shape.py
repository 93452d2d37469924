"""`python -m scripts.shape [--update]`: how large functions and files are, and which are too large.

A function's size is the number of its AST nodes, `sum(1 for _ in ast.walk(function))`: decorators,
annotations, the docstring and nested functions count. Line breaks do not.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
LONGEST_LINE = 100


@dataclass(frozen=True)
class Limit:
    """A size that new code keeps to, and the file that lists what exceeded it from the start."""

    largest: int
    listed_in: Path

    def listed(self) -> dict[str, int]:
        if not self.listed_in.exists():
            return {}
        lines = (line.rsplit(" ", 1) for line in self.listed_in.read_text().splitlines())
        return {name: int(size) for name, size in lines}

    def exceeding(self, sizes: Mapping[str, int]) -> dict[str, int]:
        return {name: size for name, size in sizes.items() if size > self.largest}

    def grown(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return what exceeds the limit and its entry in the list, if it has one."""
        listed = self.listed()
        return {n: size for n, size in self.exceeding(sizes).items() if size > listed.get(n, 0)}

    def stale(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return the entries that are larger than their code is today."""
        exceeding = self.exceeding(sizes)
        return {name: size for name, size in self.listed().items() if size > exceeding.get(name, 0)}

    def lowered(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return the list for today's code: entries are removed, lowered or moved, nothing else.

        An entry moves with its code to another path: the name after `::` stays the same there.
        Without a list, all that exceeds the limit starts one.
        """
        exceeding = self.exceeding(sizes)
        if not self.listed_in.exists():
            return exceeding
        listed = self.listed()
        kept = {
            name: min(size, exceeding[name]) for name, size in listed.items() if name in exceeding
        }
        gone = {name: size for name, size in listed.items() if name not in sizes}
        for name in exceeding.keys() - listed.keys():
            origin = _moved_from(name, exceeding[name], gone)
            if origin is not None:
                del gone[origin]
                kept[name] = exceeding[name]
        return kept

    def write(self, listed: Mapping[str, int]) -> None:
        lines = [f"{name} {size}\n" for name, size in sorted(listed.items())]
        self.listed_in.write_text("".join(lines))


FUNCTIONS = Limit(250, ROOT / "tests" / "house" / "large_functions.txt")
FILES = Limit(400, ROOT / "tests" / "house" / "long_files.txt")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield the qualified name and the AST nodes of each function in a module's text."""
    yield from _functions(ast.parse(text), "")


@cache
def function_sizes() -> dict[str, int]:
    """Return AST nodes by `path::qualname`; of functions that share a name, the largest."""
    sizes: dict[str, int] = {}
    for path in _modules():
        for qualname, size in functions(path.read_text()):
            name = f"{_name(path)}::{qualname}"
            sizes[name] = max(size, sizes.get(name, 0))
    return sizes


@cache
def file_sizes() -> dict[str, int]:
    """Return lines by path."""
    return {_name(path): path.read_text().count("\n") for path in _modules()}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--update"]):
        print(__doc__, file=sys.stderr)
        return 2
    measured = ((FUNCTIONS, function_sizes()), (FILES, file_sizes()))
    for limit, sizes in measured:
        if arguments:
            limit.write(limit.lowered(sizes))
        _report(limit, sizes)
    _summarise(*(sizes for _, sizes in measured))
    return 1 if any(limit.grown(sizes) for limit, sizes in measured) else 0


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name, sum(1 for _ in ast.walk(child))
                yield from _functions(child, f"{prefix}{name}.<locals>.")
            case ast.ClassDef(name=name):
                yield from _functions(child, f"{prefix}{name}.")
            case _:
                yield from _functions(child, prefix)


def _moved_from(name: str, size: int, gone: Mapping[str, int]) -> str | None:
    own = name.rpartition("/")[2] if "::" not in name else name.rpartition("::")[2]
    for origin, before in gone.items():
        if origin.endswith(("::" + own, "/" + own)) and before >= size:
            return origin
    return None


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _report(limit: Limit, sizes: Mapping[str, int]) -> None:
    for name, size in sorted(limit.grown(sizes).items()):
        print(f"{name} is too large: {size}, allowed {limit.listed().get(name, limit.largest)}.")


def _summarise(by_function: Mapping[str, int], by_file: Mapping[str, int]) -> None:
    sizes = sorted(by_function.values())
    p95 = sizes[int(0.95 * (len(sizes) - 1))]
    large = len(FUNCTIONS.exceeding(by_function))
    print(f"functions: {len(sizes)}, {large} above {FUNCTIONS.largest} AST nodes")
    print(f"AST nodes per function: median {median(sizes):g}, p95 {p95}, max {sizes[-1]}")
    print(f"files: {len(by_file)}, {len(FILES.exceeding(by_file))} above {FILES.largest} lines")
    print(f"lines over {LONGEST_LINE} columns: {_long_lines()}")
    print("files per package:")
    packages = Counter(name.rpartition("/")[0].removeprefix("src/") for name in by_file)
    for package, count in sorted(packages.items()):
        print(f"  {package:44} {count:3}")


def _long_lines() -> int:
    return sum(
        len(line) > LONGEST_LINE for path in _modules() for line in path.read_text().splitlines()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
