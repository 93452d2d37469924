"""What a Dockerfile says of the image that it makes.

Its last stage, read without a Docker engine.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH in the base image."""
_PAIR = re.compile(r'([\w.]+)=("[^"]*"|\S+)')


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str


@dataclass(frozen=True)
class Image:
    """What the last stage sets for the containers of the image."""

    instructions: tuple[Instruction, ...]

    def one(self, name: str) -> str:
        """The text of the last instruction of this name, which is the one that counts."""
        return next(each.text for each in reversed(self.instructions) if each.name == name)

    @property
    def environment(self) -> dict[str, str]:
        found = {"PATH": BASE_PATH}
        for name, value in self.pairs("ENV").items():
            found[name] = value.replace("$PATH", found["PATH"])
        return found

    @property
    def command(self) -> list[str]:
        return exec_form(self.one("CMD"))

    @property
    def health_check(self) -> list[str]:
        return exec_form(self.one("HEALTHCHECK").partition("CMD ")[2])

    @property
    def copied(self) -> list[tuple[str, str]]:
        """What is copied from the build context: source, target."""
        return copies(self.instructions)

    def pairs(self, name: str) -> dict[str, str]:
        found = [
            pair
            for each in self.instructions
            if each.name == name
            for pair in _PAIR.findall(each.text)
        ]
        return {key: value.strip('"') for key, value in found}


def instructions(path: Path) -> list[Instruction]:
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        Instruction(name.upper(), text.strip())
        for name, _, text in (line.partition(" ") for line in whole.splitlines() if line.strip())
    ]


def image(path: Path) -> Image:
    every = instructions(path)
    last = max(number for number, each in enumerate(every) if each.name == "FROM")
    return Image(tuple(every[last:]))


def copies(every: list[Instruction] | tuple[Instruction, ...]) -> list[tuple[str, str]]:
    texts = [
        each.text.split() for each in every if each.name == "COPY" and "--from=" not in each.text
    ]
    return [(source, target) for *sources, target in texts for source in sources]


def exec_form(text: str) -> list[str]:
    """The words of a JSON array.

    Raises ValueError for a command in shell form, which would not get signals.
    """
    words = json.loads(text)
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"{text!r} is no command.")
    return list(words)
