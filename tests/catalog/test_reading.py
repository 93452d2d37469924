"""Catalogues from YAML: strict, with the line, and one kind of error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.loading import load_catalog
from agentguard.catalog.model import Criticality, Entry, EntryKind, OnFailure, Reference
from agentguard.catalog.reading import read_catalog

FULL = """\
currency: EUR
agents:
  - id: agent:shop/checkout
    name: CheckoutAgent
    owner: shop-team
    value_per_run: 1.5
    environment: prod
    criticality: high
    depends_on: [PricingAgent, service:payments]
    models: [gpt-4o]
    tools: []
  - name: Übersetzer
workflows:
  - {name: POST /checkout, value_per_run: 48}
components:
  - {id: model:gpt-4o, owner: platform}
any:
  - {name: ledger, aliases: [ledger-*, books]}
"""


def refused(text: str) -> str:
    with pytest.raises(CatalogFormatError) as error:
        read_catalog(text, origin="c.yaml")
    return str(error.value)


def test_everything_that_can_be_declared():
    catalog = read_catalog(FULL, origin="c.yaml")

    assert (catalog.currency, catalog.origin) == ("EUR", "c.yaml")
    assert catalog.entries == (
        Entry(
            EntryKind.AGENT,
            "agent:shop/checkout",
            "CheckoutAgent",
            "shop-team",
            1.5,
            3,
            "c.yaml",
            environment="prod",
            criticality=Criticality.HIGH,
            depends_on=(Reference("PricingAgent"), Reference("service:payments")),
            models=(Reference("gpt-4o"),),
            tools=(),
        ),
        Entry(EntryKind.AGENT, None, "Übersetzer", None, None, 12, "c.yaml"),
        Entry(EntryKind.WORKFLOW, None, "POST /checkout", None, 48.0, 14, "c.yaml"),
        Entry(EntryKind.COMPONENT, "model:gpt-4o", None, "platform", None, 16, "c.yaml"),
        Entry(EntryKind.ANY, None, "ledger", None, None, 18, "c.yaml", ("ledger-*", "books")),
    )


def test_what_happens_on_failure_can_be_declared():
    (entry, other) = read_catalog(
        "agents:\n  - {name: A, optional: [B], required: [C], async: [q], any_of: [[m, n], [x, y]],"
        " retries: 0, timeout_seconds: 2.5}\n"
        "components:\n  - {name: m, standbys: [n], replicas: 3}",
        origin="catalog.yaml",
    ).entries

    assert entry.failing == OnFailure(
        optional=(Reference("B"),),
        required=(Reference("C"),),
        asynchronous=(Reference("q"),),
        any_of=((Reference("m"), Reference("n")), (Reference("x"), Reference("y"))),
        retries=0,
        timeout_seconds=2.5,
    )
    assert other.failing == OnFailure(standbys=(Reference("n"),), replicas=3)


def test_nothing_declared_of_failures_is_none():
    (entry,) = read_catalog("agents: [{name: A, optional: null}]", origin="c").entries

    assert entry.failing is None


def test_a_plain_list_is_a_list_of_agents():
    assert read_catalog("- {name: A}\n- {name: B}", origin="c").entries == (
        Entry(EntryKind.AGENT, None, "A", None, None, 1, "c"),
        Entry(EntryKind.AGENT, None, "B", None, None, 2, "c"),
    )


def test_an_empty_section_is_fine():
    assert read_catalog("agents: []\nworkflows:\n", origin="c").entries == ()


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("agents:\n  - name: A\n    ownr: me", "c.yaml:3:", "unknown key 'ownr'"),
        ("agent:\n  - name: A", "c.yaml:1:", "unknown key 'agent'"),
        ("agents:\n  - owner: me", "c.yaml:2:", "needs an id or a name"),
        (
            "agents:\n  - name: A\n  - name: B\n  - name: a",
            "c.yaml:4:",
            "already declared in line 2",
        ),
        (
            "agents:\n  - {id: x, name: A}\n  - {id: x, name: B}",
            "c.yaml:3:",
            "already declared in line 2",
        ),
        ("agents:\n  - name: A\n    name: B", "c.yaml:3:", "duplicate key 'name'"),
        (
            "agents:\n  - name: A\n    value_per_run: -1",
            "c.yaml:3:",
            "must be a number of at least 0",
        ),
        (
            "agents:\n  - name: A\n    value_per_run: .inf",
            "c.yaml:3:",
            "must be a number of at least 0",
        ),
        (
            "agents:\n  - name: A\n    value_per_run: .nan",
            "c.yaml:3:",
            "must be a number of at least 0",
        ),
        (
            "agents:\n  - name: A\n    value_per_run: '5'",
            "c.yaml:3:",
            "must be a number of at least 0",
        ),
        (
            "agents:\n  - name: A\n    value_per_run: 1:30",
            "c.yaml:3:",
            "must be a number of at least 0",
        ),
        (
            "agents:\n  - name: A\n    value_per_run: yes",
            "c.yaml:3:",
            "must be a number of at least 0",
        ),
        ("agents:\n  - name: A\n    owner: no", "c.yaml:3:", "must be text, not"),
        ("agents:\n  - name: 12", "c.yaml:2:", "must be text, not"),
        ("agents:\n  - name: 2026-01-01", "c.yaml:2:", "must be text, not"),
        ("agents:\n  - name: [A]", "c.yaml:2:", "must be text"),
        ("agents:\n  - name: ''", "c.yaml:2:", "is empty"),
        ("agents:\n  - CheckoutAgent", "c.yaml:2:", "must be a mapping"),
        ("agents: CheckoutAgent", "c.yaml:1:", "must be a list"),
        ("just text", "c.yaml:1:", "must be a mapping"),
        ("agents:\n  - name: [", "c.yaml:", "is not YAML"),
        ("a: *nothing", "c.yaml:1:", "is not YAML"),
        ("agents: []\n---\nagents: []", "c.yaml:3:", "a second document"),
        (
            "agents:\n  - name: A\n    aliases: [ok-1, '*']",
            "c.yaml:3:",
            "the alias '*' matches nearly every name",
        ),
        ("agents:\n  - name: A\n    aliases: ['a?*']", "c.yaml:3:", "at least 3 letters or digits"),
        (
            "agents:\n  - name: A\n    aliases: ['*agent*']",
            "c.yaml:3:",
            "the alias '*agent*' matches every name",
        ),
        ("agents:\n  - name: A\n    aliases: agent-*", "c.yaml:3:", "must be a list"),
        (
            "agents:\n  - {name: A, aliases: [x-1]}\n  - {name: B, aliases: [X-1]}",
            "c.yaml:3:",
            "already declared in line 2",
        ),
        (
            "agents:\n  - name: A\n    criticality: urgent",
            "c.yaml:3:",
            "one of critical, high, medium, low",
        ),
        ("agents:\n  - name: A\n    models: gpt-4o", "c.yaml:3:", "must be a list"),
        ("agents:\n  - name: A\n    tools: [4]", "c.yaml:3:", "must be text, not"),
        ("workflows:\n  - name: A\n    models: []", "c.yaml:3:", "unknown key 'models'"),
        ("workflows:\n  - name: A\n    optional: [B]", "c.yaml:3:", "unknown key 'optional'"),
        ("agents:\n  - name: A\n    optional: B", "c.yaml:3:", "must be a list"),
        ("agents:\n  - name: A\n    any_of: [B, C]", "c.yaml:3:", "must be a list"),
        ("agents:\n  - name: A\n    any_of: [[B]]", "c.yaml:3:", "two entries at least"),
        ("agents:\n  - name: A\n    any_of: [[B, B]]", "c.yaml:3:", "two entries at least"),
        ("agents:\n  - name: A\n    replicas: 0", "c.yaml:3:", "a whole number from 1"),
        ("agents:\n  - name: A\n    retries: -1", "c.yaml:3:", "a whole number from 0"),
        (
            "agents:\n  - name: A\n    timeout_seconds: 0",
            "c.yaml:3:",
            "timeout_seconds must be a number above 0",
        ),
        ("agents:\n  - name: A\n    retries: 1.5", "c.yaml:3:", "a whole number from 0"),
        (
            "agents:\n  - name: A\n    required: [B]\n    async: [B]",
            "c.yaml:3:",
            "'B' is both required and not",
        ),
        ('agents:\n  - name: "\\ud800"', "c.yaml:2:", "lone surrogate"),
        ("\x00", "c.yaml", "is not YAML"),
        ("", "c.yaml", "is empty"),
        ("# nothing", "c.yaml", "is empty"),
        ("[" * 1_500, "c.yaml", "nested too deeply"),
        ("!!python/object/apply:os.system [ls]", "c.yaml:1:", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, place, says):
    message = refused(text)

    assert message.startswith(place)
    assert says in message


@settings(max_examples=300)
@given(
    text=st.one_of(
        st.text(max_size=60), st.text(alphabet="agents:-{}[]&*!|>\n '\"name1.", max_size=60)
    )
)
def test_any_text_gives_a_catalog_or_that_one_error(text):
    with suppress(CatalogFormatError):
        assert read_catalog(text, origin="c").origin == "c"


def test_aliases_cannot_blow_it_up():
    lines = [
        "a0: &a0 [x, x, x, x, x, x, x, x, x]",
        *[f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)],
    ]

    assert "unknown key" in refused("\n".join(lines))


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.encode())

    assert len(load_catalog(path).entries) == 5


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"agents: 1"])
def test_a_file_that_cannot_be_used_is_the_same_error(tmp_path, content):
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CatalogFormatError, match=r"c\.yaml"):
        load_catalog(path)


def test_a_folder_is_no_catalog(tmp_path):
    with pytest.raises(CatalogFormatError, match="cannot be read"):
        load_catalog(tmp_path)


def test_the_example_in_the_documentation_is_a_catalog():
    page = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]

    first = read_catalog(example, origin="c").entries[0]

    assert (first.name, first.aliases, first.environment) == (
        "CheckoutAgent",
        ("checkout-agent-*", "kasse"),
        "prod",
    )
