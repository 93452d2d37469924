"""Generates docs/dialects.md from the dialect table and the recordings that verify it."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import yaml

from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.discovery.naming import name_rules
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import DocumentPayload

RECORDINGS = Path(__file__).parents[1] / "tests" / "data" / "traces"
HEAD = """# Dialects

Discovery assigns each span the role of the first matching rule. The rules are data
(`src/agentguard/discovery/dialects/`) and apply in the order of this page. *Verified* lists the
recordings of real frameworks (`tests/data/traces/`) in which a rule assigned a role; an
*unverified* rule is based on the dialect's source only. All conditions on a line must hold;
attributes have their OTLP names. Rules of your own come first
([instrument.md](instrument.md#teach-agentguard-your-spans)); spans that no rule claims can have a
role by the form of their attributes ([discovery.md](discovery.md#unknown-instrumentation)).
"""
NAMES_HEAD = """## Names

Patterns removed from names, in order of application (`src/agentguard/discovery/names.yaml`).
Nothing is lost: components list all their spellings and response models.

| names of | rule | removes | source | example |
| --- | --- | --- | --- | --- |
"""
RECORDINGS_HEAD = """## Recordings

What was recorded, by running the published packages (`tests/data/traces/`). An instrumentation
needs no dialect of its own if the general ones read it.

| recording | framework | instrumentation |
| --- | --- | --- |
"""


def dialects_page() -> str:
    seen = seen_by_rule()
    sections = [line for table in tables() for line in _section(table, seen)]
    overview = [
        f"| [{t['id']}](#{t['id']}) | {t['about']} | {_verified(_of_dialect(seen, t['id']))} |"
        for t in tables()
    ]
    return "\n".join(
        [
            HEAD,
            "| dialect | instrumentation | verified |",
            "| --- | --- | --- |",
            *overview,
            "",
            *sections,
            NAMES_HEAD + _names(),
            "",
            RECORDINGS_HEAD + _recordings(),
            "",
        ]
    )


def tables() -> list[dict[str, Any]]:
    """Return the dialect files in order."""
    folder = files("agentguard.discovery.dialects")
    texts = sorted(
        (entry.name, entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )
    return [yaml.safe_load(text) for _, text in texts]


def seen_by_rule() -> dict[str, Counter[str]]:
    """Return the number of classified spans by rule and recording."""
    dialects = load_dialects()
    classifier, decoder = Classifier(dialects), Decoder(dialects.wanted)
    seen: dict[str, Counter[str]] = {rule.label: Counter() for rule in dialects.rules}
    for path in sorted(RECORDINGS.glob("*/traces.jsonl.gz")):
        with gzip.open(path) as lines:
            spans = decoder.decode(
                [DocumentPayload(str(n), orjson.loads(line)) for n, line in enumerate(lines)]
            ).spans
        classifications = classifier.classify(
            pa.concat_tables([spans]).unify_dictionaries().combine_chunks()
        )
        for shape in classifications.shape.tolist():
            if classifications.by_shape[shape].rule:
                seen[classifications.by_shape[shape].rule][path.parent.name] += 1
    return seen


def _of_dialect(seen: Mapping[str, Counter[str]], dialect: str) -> Counter[str]:
    return sum(
        (counts for label, counts in seen.items() if label.partition("#")[0] == dialect), Counter()
    )


def _verified(recordings: Counter[str]) -> str:
    return (
        ", ".join(f"{name} ({count})" for name, count in sorted(recordings.items()))
        or "*unverified*"
    )


def _section(table: Mapping[str, Any], seen: Mapping[str, Counter[str]]) -> Iterator[str]:
    yield from (
        f"## {table['id']}",
        "",
        f"{table['about']}. Version {table['version']}. Source: {table['source']}.",
        "",
    )
    if table.get("spans"):
        yield from ("| # | role | when | name from | verified |", "| --- | --- | --- | --- | --- |")
        for number, rule in enumerate(table["spans"], 1):
            names = ", ".join(
                map(
                    _name_source,
                    rule.get("name", rule.get("acting", rule.get("hosts", rule.get("target", ())))),
                )
            )
            verified = ", ".join(sorted(seen[f"{table['id']}#{number}"])) or "*unverified*"
            yield (
                f"| {number} | {rule['role']} | {_condition(rule['when'])} | {names} | {verified} |"
            )
        yield ""
    for fact in table.get("facts", ()):
        yield (
            f"- `{fact['into']}` is extracted from `{fact['from']}`, before content is dropped, if"
            f" {_condition(fact['when'])}."
        )
    for error in table.get("errors", ()):
        yield f"- Failed regardless of status: {_condition(error['when'])}."
    if table.get("control_flow"):
        yield f"- Control flow, not failures: exceptions {_codes(table['control_flow'])}."
    if "housekeeping" in table:
        yield (
            "- Housekeeping, not workflows: entry points whose name matches"
            f" {_code(table['housekeeping'])}."
        )
    if "start_up" in table:
        yield (
            "- Start-up, not dependencies: database calls outside of any run whose name matches"
            f" {_code(table['start_up'])}."
        )
    yield ""


def _name_source(source: str | Mapping[str, str]) -> str:
    if isinstance(source, str):
        return _code(source)
    return f"part of {_code(source['attribute'])}" if "attribute" in source else "span name"


def _condition(when: Mapping[str, Any]) -> str:
    texts = {
        "name": lambda v: f"span name ~ {_code(v)}",
        "scope": lambda v: f"scope ~ {_code(v)}",
        "kinds": lambda v: f"kind is {' or '.join(v)}",
        "has": lambda v: f"has {_codes(v)}",
        "any": lambda v: f"has any of {_codes(v)}",
        "lacks": lambda v: f"lacks {_codes(v)}",
        "equals": lambda v: "; ".join(f"{_code(k)} = {_codes(_list(x))}" for k, x in v.items()),
        "named": lambda v: f"span name = {_code(v)}",
        "matches": lambda v: "; ".join(f"{_code(k)} ~ {_code(x)}" for k, x in v.items()),
        "either": lambda v: " or ".join(f"({_condition(each)})" for each in v),
    }
    return "; ".join(texts[part](value) for part, value in when.items())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _codes(values: Iterable[Any]) -> str:
    return ", ".join(map(_code, values))


def _code(text: Any) -> str:
    return "`" + str(text).replace("|", "\\|") + "`"


def _names() -> str:
    rows = [
        f"| {section} | {rule.id} | {rule.about} | {rule.source} | {_example(rule.examples)} |"
        for section in ("components", "models")
        for rule in name_rules(section)
    ]
    return "\n".join(rows)


def _example(examples: Iterable[tuple[str, str]]) -> str:
    written, left = next((pair for pair in examples if pair[0] != pair[1]), ("", ""))
    return f"{_code(written)} → {_code(left) if left else 'nothing'}"


def _recordings() -> str:
    truths = {p.parent.name: yaml.safe_load(p.read_text()) for p in RECORDINGS.glob("*/truth.yaml")}
    rows = [
        f"| {name} | {truth['framework']} | {'; '.join(_with_versions(truth))} |"
        for name, truth in sorted(truths.items())
    ]
    return "\n".join(rows)


def _with_versions(truth: Mapping[str, Any]) -> Iterator[str]:
    """Yield the instrumentations, each package with its version."""
    packages = truth.get("packages") or {}
    for text in truth["instrumentation"]:
        first, space, rest = text.partition(" ")
        yield f"{first} {packages[first]}{space}{rest}" if first in packages else text
