from __future__ import annotations

import fcntl
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import structlog
import yaml
from typer.testing import CliRunner, Result

from agentguard.cli.catalog import FailOn
from agentguard.cli.main import app
from agentguard.ingest.sources import read_paths
from tests.cli.traces import RUNS, SPANS, trace, write_traces

EVERY_FINDING = [part for kind in FailOn for part in ("--fail-on", kind.value)]


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    """Every test has a data directory of its own and no settings from outside."""
    for name in [n for n in os.environ if n.startswith("AGENTGUARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def traces(tmp_path) -> Path:
    return write_traces(tmp_path / "traces.jsonl")


@pytest.fixture
def scanned(traces) -> None:
    done = agentguard("scan", traces, "--dataset", "shop")
    assert done.exit_code == 0, done.stderr


def agentguard(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, prog_name="agentguard")


def as_process(*arguments: object, **more) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "agentguard.cli", *map(str, arguments)],
        capture_output=True,
        check=False,
        **more,
    )


def document(done: Result) -> dict:
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


class TestScan:
    def test_a_window_takes_the_traces_that_start_in_it(self, traces):
        asked = ("--since", "2023-11-14T22:13:20Z", "--until", "2023-11-15")
        inside = document(agentguard("scan", traces, *asked, "--no-store", "-f", "json"))
        outside = agentguard(
            "scan", traces, "--until", "2023-11-14", "--lookback", "7d", "--no-store"
        )

        assert inside["coverage"]["spans"] == SPANS
        assert inside["window"]["until"] == "2023-11-15T00:00:00.000000000Z"
        assert outside.exit_code == 1
        assert f"All {SPANS} spans read belong to traces outside the window." in outside.stderr

    @pytest.mark.parametrize(
        "asked",
        [
            ("--since", "soon"),
            ("--since", "1h", "--lookback", "1h"),
            ("--since", "1h", "--until", "2h"),
        ],
    )
    def test_a_window_that_is_none_is_an_error(self, traces, asked):
        done = agentguard("scan", traces, *asked)

        assert done.exit_code == 2
        assert asked[0].strip("-") in done.stderr

    def test_the_document_holds_all_that_was_read(self, traces):
        found = document(agentguard("scan", traces, "--format", "json"))

        assert {c["name"]: c["kind"] for c in found["components"]} == {
            "CheckoutAgent": "agent",
            "PaymentAgent": "agent",
            "gpt-4o": "model",
            "charge_card": "tool",
        }
        names = {c["id"]: c["name"] for c in found["components"]}
        assert {
            (names[d["source"]], names[d["target"]], d["calls"], d["errors"])
            for d in found["dependencies"]
        } == {
            ("CheckoutAgent", "PaymentAgent", RUNS, 2),
            ("PaymentAgent", "gpt-4o", RUNS, 0),
            ("PaymentAgent", "charge_card", RUNS, 2),
        }
        assert [(w["runs"], w["failed"], names[w["entry"]]) for w in found["workflows"]] == [
            (RUNS, 2, "CheckoutAgent")
        ]
        assert found["coverage"]["spans"] == SPANS
        assert {a["name"]: a["type"] for a in found["agents"]} == {
            "CheckoutAgent": "generic_agent",
            "PaymentAgent": "llm_agent",
        }
        assert found["total_agents"] == 2

    def test_standard_output_holds_json_alone(self, traces, tmp_path):
        done = as_process("scan", traces, tmp_path / "missing.json", "--format", "json")

        assert done.returncode == 0
        assert json.loads(done.stdout)["coverage"]["spans"] == SPANS
        assert b"missing.json" in done.stderr
        assert b"Stored as dataset" in done.stderr

    def test_log_lines_stay_off_standard_output(self, traces, monkeypatch):
        def noisy(*arguments, **more):
            structlog.get_logger("reader").warning("slow_disk")
            return read_paths(*arguments, **more)

        monkeypatch.setattr("agentguard.ingest.sources.read_paths", noisy)
        done = agentguard("scan", traces, "--format", "json")

        assert document(done)["coverage"]["spans"] == SPANS
        assert "slow_disk" in done.stderr

    def test_the_same_bytes_come_out_twice(self, traces):
        first, second = (
            agentguard("scan", traces, "--no-store", "--format", "json").stdout for _ in range(2)
        )

        assert first == second

    def test_files_of_a_folder_without_traces_are_named(self, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        write_traces(folder / "a.jsonl")
        (folder / "notes.txt").write_text("no spans here")
        (folder / "picture.bin").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
        (folder / "readme.md").write_text("not opened")

        done = agentguard("scan", folder)

        assert done.exit_code == 0
        assert f"{folder / 'notes.txt'}: Skipped" in done.stderr
        assert "readme.md" not in done.stderr
        assert "a.jsonl" not in done.stderr

    @pytest.mark.parametrize("store", ["--store", "--no-store"])
    def test_files_of_a_folder_without_traces_are_in_the_json_counted_and_capped(
        self, tmp_path, store
    ):
        folder = tmp_path / "folder"
        folder.mkdir()
        write_traces(folder / "a.jsonl")
        (folder / "z.json").write_text("{")
        for number in range(150):
            (folder / f"notes{number:03}.txt").write_text("no spans here")

        found = document(agentguard("scan", folder, store, "--format", "json"))

        listed = [each for each in found["refusals"] if each["reason"] == "no-traces"]
        assert found["refusals"][0]["reason"] == "not-json"
        assert found["refusals_total"] == 151
        assert len(found["refusals"]) == 100
        assert listed[0] == {
            "origin": str(folder / "notes000.txt"),
            "reason": "no-traces",
            "message": "Skipped; it contains no traces in a supported format.",
            "spans": 0,
        }

    def test_files_folders_and_standard_input_are_read_as_one(self, tmp_path):
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "a.json").write_text(json.dumps(trace(0)))
        (folder / "b.jsonl.gz").write_bytes(gzip.compress(json.dumps(trace(1)).encode()))

        found = document(
            agentguard(
                "scan",
                folder,
                "-",
                "--no-store",
                "--format",
                "json",
                stdin=json.dumps(trace(2)).encode(),
            )
        )

        assert found["coverage"]["traces"] == 3

    def test_a_scan_is_a_dataset_of_its_own_and_the_newest_graph(self, traces, tmp_path):
        write_traces(tmp_path / "more.jsonl", runs=3)
        agentguard("scan", traces, "--dataset", "all")
        agentguard("scan", tmp_path / "more.jsonl", "--dataset", "few")

        newest, named = (
            document(agentguard("graph", "--format", "json", *more))
            for more in ([], ["--dataset", "all"])
        )

        assert (newest["dataset"], newest["coverage"]["traces"]) == ("few", 3)
        assert (named["dataset"], named["coverage"]["traces"]) == ("all", RUNS)

    def test_only_printing_leaves_nothing_behind(self, traces, tmp_path):
        document(agentguard("scan", traces, "--no-store", "--format", "json"))

        assert not (tmp_path / "data").exists()

    def test_refusals_are_named_with_file_and_line_and_the_rest_is_used(self, tmp_path):
        path = tmp_path / "broken.jsonl"
        path.write_text(json.dumps(trace(0)) + "\n{oops\n" + json.dumps(trace(1)) + "\n")

        done = agentguard("scan", path, "--format", "json")

        assert document(done)["coverage"]["traces"] == 2
        assert f"{path}:2" in done.stderr
        assert document(done)["refusals"][0]["origin"] == f"{path}:2"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("text.json", b"not json at all"),
            ("empty.json", b""),
            ("cut.json.gz", gzip.compress(b'{"resourceSpans": []}' * 50, mtime=0)[:40]),
            ("bytes.pb", b"\xff\xfe\xfd" * 20),
            ("deep.json", b"[" * 100_000),
            ("missing.json", None),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_is_not_usable_ends_in_a_sentence_and_exit_code_1(self, tmp_path, name, content):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)

        done = agentguard("scan", path, "--format", "json")

        assert done.exit_code == 1
        assert name in done.stderr
        assert "Traceback" not in done.stderr
        assert json.loads(done.stdout)["code"] == "no-usable-spans"
        assert agentguard("graph").exit_code == 1

    def test_a_table_shows_every_component_and_dependency(self, traces):
        done = agentguard("scan", traces, "--no-store")

        for word in (
            "CheckoutAgent",
            "PaymentAgent",
            "gpt-4o",
            "charge_card",
            "uses_tool",
            "calls_model",
            "2 (25%)",
        ):
            assert word in done.stdout
        assert "\x1b" not in done.stdout

    def test_evidence_becomes_links(self, traces, monkeypatch):
        monkeypatch.setenv("AGENTGUARD_TRACE_URL", "https://tempo.test/trace/{trace_id}")

        found = document(agentguard("scan", traces, "--no-store", "--format", "json"))

        for dependency in found["dependencies"]:
            assert all(
                e["url"] == f"https://tempo.test/trace/{e['trace_id']}"
                for e in dependency["evidence"]
            )

    def test_live_belongs_to_otlp(self, traces):
        done = agentguard("scan", traces, "--dataset", "live")

        assert done.exit_code == 1
        assert "live" in done.stderr


@pytest.mark.usefixtures("scanned")
class TestStoredGraph:
    def test_failure_travels_from_callee_to_caller(self):
        hit = {
            name: document(agentguard("simulate", name, "--format", "json"))
            for name in ("PaymentAgent", "gpt-4o", "CheckoutAgent")
        }

        assert [c["name"] for c in hit["PaymentAgent"]["impacted_components"]] == ["CheckoutAgent"]
        assert [c["name"] for c in hit["gpt-4o"]["impacted_components"]] == [
            "PaymentAgent",
            "CheckoutAgent",
        ]
        assert hit["CheckoutAgent"]["impacted_components"] == []
        lost = hit["PaymentAgent"]["impacted_workflows"][0]["runs_lost"]
        assert lost == pytest.approx(RUNS - 2, abs=0.1)

    def test_a_simulation_shows_path_and_loss(self):
        done = agentguard("simulate", "charge_card", "--full")

        assert done.exit_code == 0
        assert "charge_card → PaymentAgent → CheckoutAgent" in done.stdout
        assert "6 of 8" in done.stdout

    def test_the_same_seed_gives_the_same_bytes(self):
        first, second = (
            agentguard("simulate", "gpt-4o", "--seed", 3, "--format", "json").stdout
            for _ in range(2)
        )

        assert first == second

    def test_analysis_ranks_by_risk(self):
        found = document(agentguard("analyze", "--format", "json"))

        scores = [r["score"] for r in found["risks"]]
        assert scores == sorted(scores, reverse=True)
        assert len(found["risks"]) == 4
        assert found["dataset"] == "shop"

    def test_a_playbook_has_three_phases(self):
        found = document(agentguard("playbook", "PaymentAgent", "--format", "json"))

        assert {s["phase"] for s in found["steps"]} >= {"contain", "recover"}
        assert "Contain" in agentguard("playbook", "PaymentAgent").stdout

    @pytest.mark.parametrize(
        ("language", "start"),
        [
            ("dot", "digraph"),
            ("mermaid", "flowchart"),
            ("graphml", "<?xml"),
            ("cypher", "CREATE CONSTRAINT"),
        ],
    )
    def test_a_graph_is_exported(self, language, start):
        done = agentguard("graph", "--format", language)

        assert done.exit_code == 0
        assert done.stdout.startswith(start)
        assert "charge_card" in done.stdout

    def test_an_unknown_component_gets_near_matches(self):
        done = agentguard("simulate", "PaymentAgnt", "--format", "json")

        assert done.exit_code == 1
        assert "Did you mean" in done.stderr
        problem = json.loads(done.stdout)
        assert (problem["code"], problem["status"]) == ("unknown-component", 404)
        assert problem["near_matches"]

    def test_catalog_init_declares_every_agent(self, tmp_path):
        assert agentguard("catalog", "init", "--output", tmp_path / "catalog.yaml").exit_code == 0

        checked = document(
            agentguard(
                "catalog", "check", "--catalog", tmp_path / "catalog.yaml", "--format", "json"
            )
        )

        assert checked["shadow_agents"] == []
        assert len(yaml.safe_load((tmp_path / "catalog.yaml").read_text())["agents"]) == 2

    def test_catalog_check_right_after_init_finds_nothing_at_all(self, tmp_path):
        agentguard("catalog", "init", "--output", tmp_path / "catalog.yaml")

        checked = agentguard(
            "catalog",
            "check",
            "--catalog",
            tmp_path / "catalog.yaml",
            *EVERY_FINDING,
            "--format",
            "json",
        )

        assert checked.exit_code == 0
        assert {c["standing"] for c in document(checked)["components"]} == {"declared"}

    def test_catalog_check_fails_on_what_it_was_told_to_and_on_nothing_else(self, tmp_path):
        path = tmp_path / "catalog.yaml"
        path.write_text("agents:\n- {name: CheckoutAgent, models: [o9]}\n- {name: Gone}\n")

        fine = agentguard("catalog", "check", "--catalog", path)
        failed = agentguard(
            "catalog",
            "check",
            "--catalog",
            path,
            "--fail-on",
            "shadow",
            "--fail-on",
            "drift",
            "--format",
            "json",
        )

        assert (fine.exit_code, failed.exit_code) == (0, 1)
        assert "1 shadow, 1 drift" in failed.stderr
        found = json.loads(failed.stdout)
        assert [d["missing"] for d in found["drift"]] == [["o9"]]
        assert [e["name"] for e in found["not_seen"]] == ["Gone"]
        assert "Drift: 1" in fine.stdout
        assert "not seen" in fine.stdout

    def test_catalog_check_that_is_to_fail_needs_a_catalogue(self):
        assert agentguard("catalog", "check").exit_code == 0
        assert agentguard("catalog", "check", "--fail-on", "shadow").exit_code == 1

    def test_catalogues_of_several_forms_are_taken_together(self, tmp_path):
        card, backstage = tmp_path / "card.json", tmp_path / "catalog-info.yaml"
        card.write_text(
            '{"name": "CheckoutAgent", "skills": [], "provider": {"organization": "shop"}}'
        )
        backstage.write_text(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: PaymentAgent}\n"
        )
        both = ["--catalog", card, "--catalog", backstage]

        checked = document(agentguard("catalog", "check", *both, "--format", "json"))
        imported = agentguard("catalog", "import", card, backstage)

        assert checked["shadow_agents"] == []
        assert {c["entry"]["origin"] for c in checked["components"] if c["entry"]} == {
            str(card),
            str(backstage),
        }
        assert f"# from {backstage}, line 1" in imported.stdout
        assert list(yaml.safe_load(imported.stdout)) == ["agents", "any"]

    def test_catalog_init_never_overwrites(self, tmp_path):
        path = tmp_path / "catalog.yaml"
        path.write_text("mine")

        done = agentguard("catalog", "init", "--output", path)

        assert done.exit_code == 1
        assert path.read_text() == "mine"

    def test_a_shadow_agent_is_named_with_its_reason(self, tmp_path):
        path = tmp_path / "catalog.yaml"
        path.write_text("agents:\n- name: CheckoutAgent\n  owner: shop team\n")

        found = document(agentguard("graph", "--catalog", path, "--format", "json"))
        shown = agentguard("graph", "--catalog", path).stdout

        assert [(n["label"], bool(n["shadow_reason"])) for n in found["nodes"] if n["shadow"]] == [
            ("PaymentAgent", True)
        ]
        assert "Shadow agents: 1" in shown
        assert "owner shop team" in shown

    def test_a_broken_catalogue_is_one_sentence(self, tmp_path):
        path = tmp_path / "catalog.yaml"
        path.write_text("agents: [")

        done = agentguard("graph", "--catalog", path)

        assert done.exit_code == 1
        assert "catalog.yaml" in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize("language", ["table", "json", "dot"])
    def test_a_reader_that_goes_away_is_no_error(self, language):
        command = (
            f"{sys.executable} -m agentguard.cli graph --format {language} | true; exit"
            " ${PIPESTATUS[0]}"
        )

        done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)

        assert done.returncode == 141
        assert done.stderr == b""

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_a_terminal_without_unicode_gets_plain_characters(self, encoding):
        done = as_process(
            "analyze", env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        )

        assert done.returncode == 0, done.stderr
        assert b"PaymentAgent" in done.stdout
        done.stdout.decode(encoding)


class TestEnds:
    def test_version(self):
        done = agentguard("--version")

        assert done.exit_code == 0
        assert done.stdout.startswith("agentguard ")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["scan"],
            ["nonsense"],
            ["graph", "--format", "xml"],
            ["simulate"],
            ["scan", "--nope", "x"],
        ],
    )
    def test_wrong_use_is_exit_code_2(self, arguments):
        assert agentguard(*arguments).exit_code == 2

    @pytest.mark.parametrize(
        "command", ["demo", "serve", "scan", "graph", "analyze", "simulate", "playbook", "doctor"]
    )
    def test_every_command_has_examples_and_exit_codes(self, command):
        done = agentguard(command, "--help")

        assert done.exit_code == 0
        assert "Examples:" in done.stdout
        assert f"agentguard {command}" in done.stdout
        assert "Exit codes:" in done.stdout

    @pytest.mark.parametrize("command", ["graph", "analyze"])
    def test_without_any_graph_a_sentence_says_what_to_do(self, command):
        done = agentguard(command)

        assert done.exit_code == 1
        assert "agentguard scan" in done.stderr
        assert done.stdout == ""

    def test_a_setting_that_cannot_be_used_is_named(self, monkeypatch):
        monkeypatch.setenv("AGENTGUARD_TRACE_URL", "http://tempo/")

        done = agentguard("graph")

        assert done.exit_code == 1
        assert "AGENTGUARD_TRACE_URL" in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_error_of_our_own_shows_its_place_only_on_request(self, monkeypatch):
        def broken(*_: object) -> None:
            raise RuntimeError("bug \x1b[31m")

        monkeypatch.setattr("agentguard.cli.opening.ask_about", broken)

        plain, debugged = agentguard("graph", "--format", "json"), agentguard("--debug", "graph")

        assert plain.exit_code == debugged.exit_code == 1
        assert "Traceback" not in plain.stderr
        assert "RuntimeError: bug \\x1b[31m" in plain.stderr
        assert json.loads(plain.stdout)["code"] == "internal"
        assert "Traceback" in debugged.stderr

    @pytest.mark.parametrize("store", ["--store", "--no-store"])
    def test_interrupting_ends_with_130_though_input_stays_open(self, store):
        process = subprocess.Popen(
            [sys.executable, "-m", "agentguard.cli", "scan", "-", store],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(json.dumps(trace(0)).encode() + b"\n")
        process.stdin.flush()
        wait_until_read(process.stdin.fileno())
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=60) == 130
        assert b"Traceback" not in process.stderr.read()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def wait_until_read(pipe: int) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        if not struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]:
            return
        time.sleep(0.05)
    raise TimeoutError
