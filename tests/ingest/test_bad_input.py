"""Bad input gives a refusal with its place, and never takes the rest with it."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from agentguard.ingest import text
from agentguard.ingest.formats import otlp_bodies
from agentguard.ingest.payloads import DocumentPayload, ProtobufPayload, Refusal
from agentguard.ingest.sources import read_paths, read_upload
from tests.ingest.reading import FORMATS, documents, reasons, spans

GOOD = (FORMATS / "otlp_jaeger_pairs" / "multi.otlp.jsonl").read_bytes()
ONE = (FORMATS / "otlp" / "trace_example.json").read_bytes()
BODY = (FORMATS / "otlp_bodies" / "haystack.pb").read_bytes()
ZSTD = zstandard.ZstdCompressor()

WHOLE_FILES = {
    "empty": (b"", "empty-file"),
    "blank": (b"\n \r\n\t\n", "empty-file"),
    "empty-gzip": (gzip.compress(b""), "empty-file"),
    "prose": (b"Not JSON at all.\nNor here.\n", "not-json"),
    "cut-document": (ONE[:-20], "not-json"),
    "only-a-bracket": (b"[", "not-json"),
    "number": (b"42", "unknown-format"),
    "other-json": (b'{"hello": "world"}', "unknown-format"),
    "other-list": (b"[1, 2, 3]", "unknown-format"),
    "deep-list": (b"[" * 100_000, "too-deep"),
    "deep-object": (b'{"resourceSpans":' * 5_000 + b"1" + b"}" * 5_000, "too-deep"),
    "deep-but-parsable": (b"[" * 1000 + b"]" * 1000, "unknown-format"),
    "utf-16-le": ('[{"traceId": "a"}]'.encode("utf-16"), "utf-16"),
    "utf-16-be": ('[{"traceId": "a"}]'.encode("utf-16-be"), "utf-16"),
    "broken-utf-8": (b'{"resourceSpans": [], "name": "\xff\xfe"}', "not-utf8"),
    "binary": (bytes(range(256)) * 10, "unknown-format"),
    "zeros": (bytes(5000), "unknown-format"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "unknown-format"),
    "cut-gzip-document": (gzip.compress(ONE)[:-30], "truncated-gzip"),
    "damaged-gzip": (
        gzip.compress(ONE, mtime=0)[:40] + b"\xff" * 40 + gzip.compress(ONE, mtime=0)[80:],
        "corrupt-gzip",
    ),
    "gzip-head-alone": (b"\x1f\x8b", "truncated-gzip"),
    "cut-zstd": (ZSTD.compress(ONE)[:-30], "truncated-zstd"),
    "damaged-zstd": (ZSTD.compress(ONE)[:8] + b"\xff" * 60, "corrupt-zstd"),
    "announced-too-large": (b"\x07\xff\xff\xff{" + bytes(10), "truncated-body"),
}


@pytest.mark.parametrize(("body", "reason"), WHOLE_FILES.values(), ids=WHOLE_FILES)
def test_a_file_that_cannot_be_used_is_one_refusal(body, reason) -> None:
    (refusal,) = read_upload(body, "file.json")

    assert isinstance(refusal, Refusal)
    assert (refusal.origin.split(":")[0], refusal.reason) == ("file.json", reason)
    assert refusal.message.endswith(".")


def test_recognised_formats_are_named_where_a_format_is_unknown() -> None:
    (refusal,) = read_upload(b'{"hello": "world"}', None)

    assert isinstance(refusal, Refusal)
    assert all(
        name in refusal.message
        for name in ("OTLP", "Jaeger", "Zipkin", "Tempo", "Langfuse", "traceId")
    )


@pytest.mark.parametrize(
    "bad",
    [
        b'{"resourceSpans": [',
        b"nonsense",
        b'{"a": "\xff"}',
        b"[" * 2000,
        b'{"resourceSpans": "no"}',
    ],
)
@pytest.mark.parametrize("place", [1, 2, 3, 5])
def test_one_bad_line_is_refused_with_its_line_and_the_rest_goes_on(bad, place) -> None:
    lines = GOOD.splitlines()
    lines.insert(place - 1, bad)
    items = list(read_upload(b"\n".join(lines), "t.jsonl"))

    assert [item.origin for item in items if isinstance(item, Refusal)] == [f"t.jsonl:{place}"]
    assert len(documents(item for item in items if not isinstance(item, Refusal))) == 4


def test_blank_lines_count_as_lines() -> None:
    items = list(read_upload(b"\n\n" + GOOD.replace(b"\n", b"\n\n", 1) + b"\nbad", "t"))

    assert [item.origin for item in items] == ["t:3", "t:5", "t:6", "t:7", "t:9"]


@pytest.mark.parametrize(
    "change",
    [lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"\n", b"\r\n"), lambda b: b.rstrip(b"\n")],
    ids=["bom", "crlf", "unended"],
)
def test_byte_order_mark_line_ends_and_a_missing_last_one_change_nothing(change) -> None:
    assert documents(read_upload(change(GOOD), None)) == documents(read_upload(GOOD, None))
    assert documents(read_upload(gzip.compress(change(ONE)), None)) == documents(
        read_upload(ONE, None)
    )


def test_a_fault_in_a_document_is_placed_by_line_and_column() -> None:
    (refusal,) = read_upload(b'{\n\n  "resourceSpans": [\n    nonsense\n]}', "f")

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, "line 4, column 5" in refusal.message) == ("not-json", True)


@pytest.mark.parametrize("compress", [gzip.compress, ZSTD.compress], ids=["gzip", "zstd"])
@pytest.mark.parametrize("kept", [1, 3])
def test_lines_before_a_cut_in_compressed_data_are_used(compress, kept) -> None:
    noise = random.Random(0)  # as much in each line, so that the compressed lines have equal shares
    body = b"\n".join(
        line[:-1] + b',"noise":"' + noise.randbytes(200_000).hex().encode() + b'"}'
        for line in GOOD.splitlines()
    )
    whole = compress(body)
    cut = whole[: int(len(whole) * (kept + 0.6) / 4)]
    items = list(read_upload(cut, "t.jsonl.gz"))

    assert [item.origin for item in items[:-1]] == [f"t.jsonl.gz:{n}" for n in range(1, kept + 1)]
    assert reasons(items)[-1].startswith("truncated-")


def test_gzip_members_one_after_the_other_and_zero_padding_are_read() -> None:
    first, second = GOOD[: len(GOOD) // 3], GOOD[len(GOOD) // 3 :]

    assert documents(
        read_upload(gzip.compress(first) + gzip.compress(second) + bytes(512), None)
    ) == documents(read_upload(GOOD, None))
    assert documents(read_upload(ZSTD.compress(first) + ZSTD.compress(second), None)) == documents(
        read_upload(GOOD, None)
    )


def test_bytes_after_the_last_gzip_member_are_refused_and_the_content_kept() -> None:
    items = list(read_upload(gzip.compress(GOOD) + b"trailing", "t"))

    assert (len(items), reasons(items)) == (5, ["corrupt-gzip"])


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_300_mb_of_zeros_stay_in_bounded_memory(tmp_path, suffix) -> None:
    zeros = tmp_path / f"zeros.json{suffix}"
    with gzip.open(zeros, "wb", compresslevel=1) if suffix else zeros.open("wb") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))

    assert _refusals_in_a_process_of_its_own(zeros) == ["unknown-format"]


@pytest.mark.parametrize("unit", [b"[", b" ", b"a", b"\n", b'{"a":'])
def test_a_bomb_of_one_endless_value_stays_in_bounded_memory(tmp_path, unit) -> None:
    bomb = tmp_path / "bomb.json.zst"
    bomb.write_bytes(ZSTD.compress(unit * (300_000_000 // len(unit))))

    assert _refusals_in_a_process_of_its_own(bomb) in (["value-too-large"], ["empty-file"])


def _refusals_in_a_process_of_its_own(path: Path) -> list[str]:
    """Read the file under an address space of 1 GiB."""
    program = (
        "import resource, sys, pathlib; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "from agentguard.ingest.sources import read_paths; import json;"
        "print(json.dumps([item.reason for item in read_paths([pathlib.Path(sys.argv[1])])]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, check=True, text=True
    )
    return list(json.loads(done.stdout))


def test_a_line_longer_than_the_limit_is_refused_and_skipped(monkeypatch) -> None:
    monkeypatch.setattr(text, "MAX_VALUE_BYTES", 2000)
    lines = GOOD.splitlines()
    items = list(read_upload(b"\n".join([lines[0], b"{" + b" " * 5000 + b"}", lines[1]]), "t"))

    assert [(type(item), item.origin) for item in items] == [
        (DocumentPayload, "t:1"),
        (Refusal, "t:2"),
        (DocumentPayload, "t:3"),
    ]


def test_a_document_longer_than_the_limit_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(text, "MAX_VALUE_BYTES", 500)

    assert reasons(read_upload(ONE, None)) == ["value-too-large"]


def test_many_refusals_of_one_reason_are_summed_up() -> None:
    items = list(read_upload(GOOD + b"bad\n" * 1000, "t"))
    refusals = [item for item in items if isinstance(item, Refusal)]

    assert len(refusals) == 21
    assert sum(refusal.spans for refusal in refusals) == 1000
    assert "980 more" in refusals[-1].message


def test_missing_file_and_folder_without_traces_are_refused(tmp_path) -> None:
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / "other.json").write_text('{"hello": 1}')
    (tmp_path / "empty.json").write_text("")

    assert reasons(read_paths([tmp_path / "nowhere.json"])) == ["missing-file"]
    assert reasons(read_paths([tmp_path])) == ["no-traces", "no-traces", "no-telemetry"]
    assert reasons(read_paths([tmp_path / "other.json"])) == ["unknown-format"]


def test_a_name_that_no_file_can_have_is_refused() -> None:
    assert reasons(read_paths([Path("x" * 5000)])) == ["unreadable-file"]


def test_links_to_nowhere_and_pipes_in_a_folder_are_passed_over(tmp_path) -> None:
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "t.json").write_bytes(ONE)

    items = list(read_paths([tmp_path]))

    assert [type(item) for item in items if not isinstance(item, Refusal)] == [DocumentPayload]
    assert reasons(items) == ["no-traces"] * 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_refused(tmp_path) -> None:
    path = tmp_path / "secret.json"
    path.write_bytes(ONE)
    path.chmod(0)

    assert reasons(read_paths([path])) == ["unreadable-file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folder_is_refused_and_the_others_read(tmp_path) -> None:
    (tmp_path / "a").mkdir(mode=0)
    (tmp_path / "t.json").write_bytes(ONE)

    assert [type(item) for item in read_paths([tmp_path])] == [DocumentPayload, Refusal]


def test_a_read_error_is_refused_and_the_next_file_read(tmp_path) -> None:
    good = tmp_path / "good.json"
    good.write_bytes(ONE)
    items = list(
        read_paths([Path("/proc/self/mem"), good])
    )  # opens, but cannot be read at its beginning

    assert [type(item) for item in items] == [Refusal, DocumentPayload]
    assert reasons(items) == ["unreadable-file"]


def test_a_folder_named_like_a_file_is_read_as_a_folder(tmp_path) -> None:
    folder = tmp_path / "x.json"
    folder.mkdir()
    (folder / "t.json").write_bytes(ONE)

    assert len(list(spans(read_paths([folder])))) == 1
    assert len(list(spans(read_paths([tmp_path])))) == 1


def test_folders_are_read_in_order_mixed_and_without_what_is_hidden_or_no_telemetry(
    tmp_path,
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "z.json").write_bytes(ONE)
    (tmp_path / "b" / "body.pb.gz").write_bytes(gzip.compress(BODY))
    (tmp_path / "a.jsonl.2026-01-01.zst").write_bytes(ZSTD.compress(GOOD))
    (tmp_path / "c").write_bytes((FORMATS / "zipkin_v2" / "yelp.json").read_bytes())
    for name in (".hidden.json", ".git/t.json", "t.json.py", "README.md", "t.png"):
        (tmp_path / name).write_bytes(b"{" if name == "README.md" else ONE)
    (tmp_path / "index.jsonl").write_text('{"file": "b"}\n' * 3)
    (tmp_path / "logs.jsonl").write_text('{"resourceLogs": []}\n')
    (tmp_path / "empty.json").touch()
    (tmp_path / "notes.txt").write_text("just words")
    items = list(read_paths([tmp_path]))

    names = list(
        dict.fromkeys(
            Path(item.origin.split(":")[0]).relative_to(tmp_path).as_posix()
            for item in items
            if not isinstance(item, Refusal)
        )
    )
    skipped = [Path(item.origin).name for item in items if isinstance(item, Refusal)]
    assert names == ["a.jsonl.2026-01-01.zst", "c", "b/body.pb.gz", "b/z.json"]
    assert skipped == ["empty.json", "index.jsonl", "logs.jsonl", "notes.txt"]
    assert sum(item.spans for item in items if isinstance(item, Refusal)) == 0


def test_a_broken_trace_file_in_a_folder_is_refused(tmp_path) -> None:
    (tmp_path / "cut.json").write_bytes(ONE[:-20])
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(ONE)[:-20])

    assert reasons(read_paths([tmp_path])) == ["not-json", "truncated-gzip"]


def test_progress_hears_of_every_byte_read(tmp_path) -> None:
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD))
    heard: list[int] = []
    list(read_paths([path, path], progress=heard.append))

    assert sum(heard) == 2 * path.stat().st_size


def test_wrong_protobuf_by_its_name_is_left_to_the_decoder(tmp_path) -> None:
    path = tmp_path / "t.pb"
    path.write_bytes(b"\xff\xff\xff\xff" * 10)

    assert list(read_paths([path])) == [ProtobufPayload(str(path), path.read_bytes())]


def test_an_endless_body_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(otlp_bodies, "MAX_BODY_BYTES", 1 << 20)
    endless = b"\x0a\x80\x80\x80\x08\x0a" + bytes(
        3 << 20
    )  # one ResourceSpans that says it has 16 MiB

    assert reasons(read_upload(endless, "t.pb")) == ["body-too-large"]
