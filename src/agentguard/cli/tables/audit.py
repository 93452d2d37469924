"""Tables of the audit log."""

from __future__ import annotations

import json

from rich.console import Group, RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, answer, faint, hanging, plural, section
from agentguard.cli.tables.rows import Rows, names, number, text

_LOG = (number("Index"), text("Time"), names("Actor"), text("Action"), names("Object"))
_SIGNATURES = (names("Name"), text("Kind"), text("Outcome"), text("Cosigned"))
_CHECKS = (text("Check"), text("Outcome"), names("Detail"))
_STYLES = {"verified": "green", "failed": "red"}
_ANSWERS = {
    "verified": "Verified: the entry is in the log, as a key or checkpoint from outside shows.",
    "failed": "Failed: this is not an entry of the log.",
    "not checkable": "Consistent, but nothing from outside the file vouches for it. Give --key"
    " or --checkpoint.",
}


def log_parts(document: Document) -> list[RenderableType]:
    """Return a page of entries."""
    entries = document["entries"]
    rows: list[list[str | Text]] = [
        [
            str(e["index"]),
            (e["time"] or "")[:19],
            e["actor"]["id"],
            e["action"],
            e["object"] or "–",
        ]
        for e in entries
    ]
    held = f"The log holds {plural(document['size'], 'entry')}"
    waiting = (
        f"; {document['pending']:,} are waiting to be sequenced" if document["pending"] else ""
    )
    parts: list[RenderableType] = [answer(f"{held}{waiting}.")]
    parts.append(section("Entries", Rows(_LOG, rows)) if rows else faint("No entry matches."))
    if document["next"] is not None:
        parts.append(faint(f"More: agentguard audit log --before {document['next']}"))
    return parts


def entry_parts(document: Document) -> list[RenderableType]:
    """Return one entry."""
    facts = {
        "Time": document["time"] or "–",
        "Actor": document["actor"]["id"],
        "Action": document["action"],
        "Object": document["object"] or "–",
        "Graph": document["graph_version"] or "–",
        "Payload": "removed" if document["payload_removed"] else _json(document["payload"]),
    }
    lines = (hanging(label, fact, indent=2, width=8) for label, fact in facts.items())
    return [section(f"Entry {document['index']}", Group(*lines))]


def _json(payload: object) -> str:
    return json.dumps(payload, ensure_ascii=False)


def proof_parts(document: Document) -> list[RenderableType]:
    """Return the proof of one entry."""
    checkpoint = document["checkpoint"]
    facts = {
        "Log": checkpoint["origin"],
        "Size": f"{checkpoint['size']:,}",
        "Root": checkpoint["root"],
        "Leaf": document["data_hash"],
    }
    lines = (hanging(label, fact, indent=2, width=8) for label, fact in facts.items())
    steps = (Text(f"  {step}") for step in document["proof"])
    signatures: list[list[str | Text]] = [
        [s["name"], s["kind"], _outcome(s["outcome"]), s["time"] or "–"]
        for s in checkpoint["signatures"]
    ]
    return [
        section(f"Entry {document['index']} in the checkpoint", Group(*lines)),
        section("Inclusion proof, from the leaf to the root", Group(*steps)),
        section("Signatures", Rows(_SIGNATURES, signatures)),
    ]


def report_parts(document: Document) -> list[RenderableType]:
    """Return what each check of a bundle found."""
    rows: list[list[str | Text]] = [
        [c["check"], _outcome(c["outcome"]), c["detail"]] for c in document["checks"]
    ]
    return [answer(_verdict(document)), section("Checks", Rows(_CHECKS, rows))]


def _verdict(document: Document) -> str:
    """Return the answer in one line: of a failure, what failed."""
    outcomes = {check["check"]: check["outcome"] for check in document["checks"]}
    failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
    if failed == ["format"]:
        return "Failed: the file is not an evidence bundle."
    if failed == ["anchor"]:
        return "Failed: the anchor is not the one that is expected."
    vouched = "verified" in (outcomes.get("signature"), outcomes.get("checkpoint"))
    if document["outcome"] == "not checkable" and vouched:
        return "The entry is in the log, but not all that was asked for could be checked."
    return _ANSWERS[document["outcome"]]


def check_parts(document: Document) -> list[RenderableType]:
    """Return what differs in the log."""
    found = document["disagreements"]
    facts = _check_facts(document)
    if not found:
        held = plural(document["entries"], "entry")
        return [answer(f"{held}: entries, tiles and checkpoint agree."), *facts]
    lines = (Text(f"{d['place']}: {d['problem']}") for d in found)
    differing = section("Differs", Group(*lines))
    return [answer(f"{plural(len(found), 'disagreement')}."), differing, *facts]


def _check_facts(document: Document) -> list[RenderableType]:
    removed = document["payloads_removed"]
    gone = f"{plural(removed, 'payload')} removed. " if removed else ""
    rate = document["entries_per_second"]
    speed = "" if rate is None else f"{rate:,} entries/s."
    facts: list[RenderableType] = [faint(gone + speed)] if gone or speed else []
    if document["not_checkable"]:
        lines = (Text(f"{d['place']}: {d['problem']}") for d in document["not_checkable"])
        facts.append(section("Not checkable: an earlier version removed the facts", Group(*lines)))
    if document["entries"] and not document["signature_checked"]:
        facts.append(answer("The signature was not checked: no key of the log can be read here."))
    return facts


def _outcome(outcome: str) -> Text:
    return Text(outcome, style=_STYLES.get(outcome, ""))
