from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentguard.ingest import message_limits
from agentguard.ingest.errors import UnreadableInputError
from agentguard.ingest.message_limits import (
    MOST_LEVELS,
    MOST_SPANS,
    check_messages,
    check_values,
    decoded_together,
)
from tests.ingest.test_fuzz_decoding import RECORDED

IDS = b"\x0a\x10" + b"\x01" * 16 + b"\x12\x08" + b"\x02" * 8
FEW = 1000


def sized(content: bytes) -> bytes:
    size, rest = b"", len(content)
    while rest > 127:
        size, rest = size + bytes([rest & 127 | 128]), rest >> 7
    return size + bytes([rest]) + content


def field(number: int, content: bytes = b"") -> bytes:
    return bytes([number << 3 | 2]) + sized(content)


def in_span(content: bytes) -> bytes:
    return field(1, field(2, field(2, IDS + content)))


def attribute(value: bytes) -> bytes:
    return field(9, field(1, b"gen_ai.request.model") + field(2, value))


BODIES: dict[str, Callable[[int], bytes]] = {
    "groups": lambda n: field(1) * n,
    "scopes": lambda n: field(1, field(2) * n),
    "spans": lambda n: field(1, field(2, field(2) * n)),
    "spans with ids": lambda n: field(1, field(2, field(2, IDS) * n)),
    "spans in groups of their own": lambda n: field(1, field(2, field(2))) * n,
    "overlong tags": lambda n: b"\x8a\x00\x00" * n,
    "attributes": lambda n: in_span(field(9) * n),
    "events": lambda n: in_span(field(11) * n),
    "links": lambda n: in_span(field(13) * n),
    "attributes of an event": lambda n: in_span(field(11, field(3) * n)),
    "attributes of a link": lambda n: in_span(field(13, field(4) * n)),
    "attributes of a resource": lambda n: field(1, field(1, field(1) * n)),
    "attributes of a scope": lambda n: field(1, field(2, field(1, field(3) * n))),
    "values of an array": lambda n: in_span(attribute(field(5, field(1) * n))),
    "values of a map": lambda n: in_span(attribute(field(6, field(1) * n))),
    "after a field of old protobuf": lambda n: b"\xd8\x3f\x01" + field(1) * n,
}


def reason(check: Callable[..., None], *arguments: Any) -> str | None:
    try:
        check(*arguments)
    except UnreadableInputError as error:
        return error.reason
    return None


@pytest.mark.parametrize("kind", BODIES)
def test_messages_of_every_kind_are_counted(kind: str) -> None:
    assert reason(check_messages, BODIES[kind](FEW), FEW - 1) == "too-many-messages"
    assert reason(check_messages, BODIES[kind](1), 20) is None


@pytest.mark.parametrize("kind", ["groups", "scopes", "spans", "spans with ids"])
def test_spans_and_groups_have_a_limit_of_their_own(kind: str) -> None:
    assert reason(check_messages, BODIES[kind](MOST_SPANS + 1)) == "too-many-messages"
    assert reason(check_messages, BODIES[kind](MOST_SPANS - 2)) is None


def test_text_is_no_message() -> None:
    text = attribute(field(1, b'\n*"2J' * 5000))

    assert reason(check_messages, in_span(text), 10) is None


def test_what_cannot_be_counted_is_refused() -> None:
    group_of_old_protobuf = b"\x0b\x0c"
    assert reason(check_messages, group_of_old_protobuf + BODIES["groups"](FEW), 10) == (
        "bad-protobuf"
    )
    assert reason(check_messages, BODIES["groups"](FEW)[:-1], FEW) is None
    assert reason(check_messages, b"\x0a\x7f" + BODIES["groups"](10), 5) == "bad-protobuf"


def test_nesting_is_limited() -> None:
    value = b""
    for _ in range(MOST_LEVELS):
        value = field(5, field(1, value))

    assert reason(check_messages, in_span(attribute(value)), MOST_LEVELS + 50) == "too-deep"


def messages_in(message: Message) -> int:
    count = 0
    for described, value in message.ListFields():
        if described.type == FieldDescriptor.TYPE_MESSAGE:
            each = value if described.is_repeated else [value]
            count += len(each) + sum(map(messages_in, each))
    return count


@pytest.mark.parametrize("body", RECORDED[:2])
def test_the_count_is_that_of_protobuf(body: bytes) -> None:
    count = messages_in(ExportTraceServiceRequest.FromString(body))

    assert reason(check_messages, body, count) is None
    assert reason(check_messages, body, count - 1) == "too-many-messages"


JSON = st.recursive(
    st.none() | st.text(alphabet='a"\\,[{') | st.integers(-9, 9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='a"\\,[{'), inner),
)


def values_in(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(len(value) - 1, 0) + sum(map(values_in, value.values()))
        case list():
            return 1 + max(len(value) - 1, 0) + sum(map(values_in, value))
    return 0


@given(JSON)
def test_json_values_are_counted_by_what_stands_before_them(value: Any) -> None:
    count = values_in(value)

    assert reason(check_values, orjson.dumps(value), count) is None
    if count:
        assert reason(check_values, orjson.dumps(value), count - 1) == "too-many-messages"


def test_bodies_are_decoded_in_calls_of_bounded_size(monkeypatch) -> None:
    monkeypatch.setattr(message_limits, "_TOGETHER", 100)
    bodies = [BODIES["groups"](n) for n in (40, 40, 40, 500, 1, 0, 60)]

    assert [(part.start, part.stop) for part in decoded_together(bodies)] == [
        (0, 2),
        (2, 3),
        (3, 4),
        (4, 7),
    ]
    assert list(decoded_together([])) == []


@pytest.mark.parametrize("kind", ["groups", "spans"])
def test_bodies_of_empty_messages_stay_in_bounded_memory(kind: str) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31));"
        "from tests.ingest.test_message_limits import BODIES;"
        "from agentguard.discovery.dialects.loading import load_dialects;"
        "from agentguard.ingest.decoding import decode;"
        "from agentguard.ingest.payloads import ProtobufPayload; import json;"
        "body = BODIES[sys.argv[1]](30_000_000);"
        "found = decode([ProtobufPayload('x', body)], load_dialects().wanted);"
        "print(json.dumps([refusal.reason for refusal in found.refusals]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, kind], capture_output=True, check=True, text=True
    )

    assert json.loads(done.stdout) == ["too-many-messages"]
