"""What every change must keep of the web UI, in a real browser on the recorded demo."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.ui.walking import PAGES, Browser, Found
from tests.web.process import Server
from tests.web.systems import shop

pytestmark = pytest.mark.xdist_group("ui")


@pytest.fixture(scope="module")
def found(browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("walk")
    traces = folder / "shop.json"
    traces.write_text(json.dumps(shop()))
    return browser.walk("browser.mjs", server.url, folder, traces)


@pytest.mark.parametrize("page", PAGES)
def test_pages_open_without_errors_and_violations_of_accessibility(found, page):
    assert found[f"{page} dark"] == {"wrong": [], "axe": [], "theme": "dark"}


def test_the_keyboard_leads_from_search_to_a_simulation_that_the_address_holds(found):
    keyboard = found["keyboard"]

    assert keyboard["wrong"] == []
    assert keyboard["selected"] == "demo/agent:paymentagent"
    assert keyboard["after"] == "PaymentAgent"
    assert keyboard["answer"].startswith("If PaymentAgent fails, ")
    assert "fail=demo%2Fagent%3Apaymentagent" in keyboard["address"]


def test_the_drawing_shows_every_component_of_the_api(found, server: Server):
    columns = httpx.get(
        f"{server.url}/api/graph/columns?dataset=demo&level=agent", timeout=60
    ).json()
    drawing = found["drawing"]

    assert drawing["drawn"] == len(columns["components"]["id"])
    assert drawing["canvas"] > 1000
    assert drawing["status"].startswith("2 components of ")
    assert drawing["alert"] == "Not understood: nonsense:1"


def test_hostile_names_are_text_and_show_what_turns_the_direction(found):
    hostile = found["hostile"]

    assert hostile["text"].startswith("gpt\\u{202e}<img src=x onerror=alert(1)>")
    assert (hostile["asked"], hostile["images"], hostile["wrong"]) == (False, 0, [])


def test_an_incident_is_opened_from_a_simulation_and_worked_on_by_keyboard(found, server: Server):
    incident = found["incident"]
    stored = httpx.get(f"{server.url}/api/incidents/{incident['id']}", timeout=60).json()

    assert incident["wrong"] == []
    assert incident["impact"] == incident["answer"] == stored["impact"]["answer"]
    assert incident["offered"] == ["Acknowledge", "Mark as mitigated", "Resolve", "Add the note"]
    assert (stored["title"], stored["state"]) == ("gpt-4o is down", "acknowledged")
    assert stored["playbook"] is not None
    assert incident["timeline"] == [
        "Noted",
        "Feedback given",
        "Playbook linked",
        "Acknowledged",
        "Assigned",
        "Opened",
    ]
    assert [each["helped"] for each in stored["feedback"]] == ["yes"]
    assert stored["feedback"][0]["step"] == stored["playbook"]["steps"][1]["id"]
    assert incident["measured"].startswith("Nothing to compare yet")
    assert incident["draft"].startswith("# Post-mortem: gpt")


def test_a_change_that_somebody_else_overtook_is_refused_and_loses_no_text(found, server: Server):
    incident = found["incident"]
    events = httpx.get(f"{server.url}/api/incidents/{incident['id']}/events", timeout=60).json()

    assert incident["conflict"].startswith("Somebody changed this incident after you read it")
    assert incident["kept"] == "looking at it"
    assert incident["ownerBefore"] == ""
    assert [each["note"] for each in events["events"] if each["kind"] == "acknowledged"] == [
        "looking at it"
    ]


def test_a_reported_incident_is_simulated_and_then_merged(found, server: Server):
    linked = found["linked"]

    assert linked["unknown"].startswith("No simulation is linked")
    assert linked["impact"].startswith("If PaymentAgent fails, ")
    assert (linked["address"], linked["wrong"]) == (True, [])
    remaining = httpx.get(f"{server.url}/api/incidents/{linked['into']}", timeout=60).json()
    assert remaining["duplicates"] == [linked["merged"]]
    assert linked["buttons"] == 0


def test_hostile_titles_and_notes_of_incidents_are_text(found):
    hostile = found["hostile incident"]

    assert hostile["title"] == "gpt\\u{202e}<img src=x onerror=alert(1)>"
    assert hostile["note"] == f"{hostile['title']}\nsecond line"
    assert (hostile["images"], hostile["wrong"]) == (0, [])


def test_a_message_that_was_not_delivered_says_why(found, server: Server):
    told = httpx.get(f"{server.url}/api/notifications", timeout=60).json()
    shown = found["notifications"]

    assert shown["receiver"] == "webhook127.0.0.1:9"
    assert shown["incidents"] <= len(told["notifications"])
    assert "incident.opened" in shown["row"]
    assert "127.0.0.1 is a loopback address" in shown["row"]
    assert shown["wrong"] == []


def test_the_evidence_of_a_step_leads_to_its_trace_and_where_that_failed(found, server: Server):
    evidence = found["evidence"]
    trace = httpx.get(
        f"{server.url}/api/traces/{evidence['id']}?dataset=demo&limit=1000", timeout=60
    ).json()
    names = [each["name"] for each in trace["spans"] if each["on_failing_path"]]

    assert evidence["shown"] == trace["spans_total"]
    assert evidence["path"] == names
    assert f"First cause: {trace['first_cause']['name']}." in evidence["outcome"]
    assert evidence["top"] == 0
    assert evidence["hostile"] == "gpt\\u{202e}<img src=x onerror=alert(1)>"
    assert (evidence["images"], evidence["wrong"]) == (0, [])


def test_the_browser_verifies_an_entry_against_what_the_person_trusts(found):
    verification = found["verification"]
    alone, trusted = verification["alone"], verification["trusted"]

    assert "action=scan.stored" in verification["address"]
    assert alone["words"].startswith("? Not checkable: consistent with the key inside the bundle")
    assert trusted["words"] == "✓ Verified: the entry is in the log that you trust."
    assert any(
        each.startswith("inclusionverifiedthe entry is number 1 of") for each in alone["checks"]
    )
    assert "leads back to a trusted key" in "".join(trusted["checks"])
    assert (verification["kept"], verification["wrong"]) == (True, [])


def test_the_browser_refutes_an_entry_that_was_changed_on_its_way(found):
    verification = found["verification"]

    assert verification["changed"]["words"].startswith(
        "✗ Failed: the inclusion proof leads to another root hash"
    )
    assert verification["malformed"] == "a key is not name+id+base64"


def test_an_unreachable_server_is_said_and_the_page_stays(found):
    assert found["unreachable"]["text"] == "The server cannot be reached."


def test_an_uploaded_file_is_scanned_and_shown(found, server: Server):
    columns = httpx.get(
        f"{server.url}/api/graph/columns?dataset=uploaded&level=agent", timeout=60
    ).json()
    upload = found["upload"]

    assert upload["wrong"] == []
    assert f"{columns['total_components']} components" in upload["said"]
    assert "dataset=uploaded" in upload["address"]
    assert upload["drawn"] == len(columns["components"]["id"])
