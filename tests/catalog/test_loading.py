"""Catalogues, A2A agent cards and Backstage entities.

Told apart by their contents, merge, bounded, one kind of error.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.catalog.backstage import entity_name
from agentguard.catalog.errors import CatalogFormatError
from agentguard.catalog.loading import load_catalog, load_catalogs, read_declarations
from agentguard.catalog.matching import Standing, match
from agentguard.catalog.model import Catalog, Entry, EntryKind, OnFailure, Reference, merge
from agentguard.catalog.reading import read_catalog
from agentguard.catalog.writing import imported_text
from agentguard.kernel.yaml_nodes import MAX_CHARACTERS
from tests.simulation.worlds import component, world

DATA = Path(__file__).parents[1] / "data" / "catalog"
CARD = {"name": "A", "capabilities": {}, "skills": []}
COMPONENT = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\n"


def refused(text: str) -> str:
    with pytest.raises(CatalogFormatError) as error:
        read_declarations(text, origin="f")
    return str(error.value)


def test_an_agent_card_declares_its_agent_with_the_providers_organization_as_owner():
    newer, older = (
        load_catalog(DATA / name) for name in ("checkout-agent.v1.json", "pricing-agent.v03.json")
    )

    for catalog, name, owner in (
        (newer, "CheckoutAgent", "shop-team"),
        (older, "PricingAgent", "pricing-team"),
    ):
        (entry,) = catalog.entries
        assert (entry.declares, entry.name, entry.owner, entry.line) == (
            EntryKind.AGENT,
            name,
            owner,
            1,
        )
        assert entry.origin == catalog.origin
        assert entry.aliases == ()


def test_backstage_components_resources_and_apis_are_entries_and_the_rest_is_reported():
    path = str(DATA / "catalog-info.yaml")
    catalog = load_catalog(DATA / "catalog-info.yaml")
    uses = tuple(Reference(name) for name in ("PricingAgent", "payments", "orders"))

    assert catalog.entries == (
        Entry(
            EntryKind.ANY,
            None,
            "checkout-agent",
            "shop-team",
            None,
            2,
            path,
            ("CheckoutAgent",),
            depends_on=uses,
        ),
        Entry(EntryKind.ANY, None, "payments", "finance/payments-team", None, 19, path),
        Entry(EntryKind.ANY, None, "orders", "platform", None, 29, path),
        Entry(EntryKind.ANY, None, "price-tools", "pricing-team", None, 38, path),
    )
    (note,) = catalog.notes
    assert note.startswith(f"{path}, line 49: skipped; a System")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("a", "a"),
        ("component:a", "a"),
        ("component:default/a", "a"),
        ("Resource:x/a", "x/a"),
        ("default/a", "a"),
    ],
)
def test_an_entity_reference_is_its_name_and_a_namespace_that_is_not_default(reference, name):
    assert entity_name(reference) == name


def test_a_title_with_a_star_declares_nothing_but_itself():
    text = COMPONENT.replace("{name: a}", '{name: a, title: "Star * agent"}')

    assert read_declarations(text, origin="f").entries[0].aliases == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps({**CARD, "name": None}), "without a name"),
        (json.dumps({**CARD, "name": " "}), "without a name"),
        (json.dumps({**CARD, "name": 7}), "name is not text"),
        (json.dumps({**CARD, "name": "\ud800"}), "name is not text"),
        (json.dumps({**CARD, "provider": "Acme"}), "provider is not an object"),
        (json.dumps({**CARD, "provider": {"organization": ["x"]}}), "organization is not text"),
        (json.dumps({"hello": 1}), "unknown key 'hello'"),
        ('{"capabilities": ' + "[" * 100_000, ""),
        (COMPONENT.replace("name: a", "title: a"), "needs the text 'name'"),
        (COMPONENT.replace("name: a", "name: 3"), "must be text, not '3'"),
        (COMPONENT.replace("name: a", "name: []"), "name must be text"),
        (COMPONENT.replace("kind: Component", "kind: {}"), "kind must be text"),
        (COMPONENT.replace("metadata: {name: a}", "metadata: a"), "needs the text 'name'"),
        (COMPONENT + "spec: {owner: 4}", "owner must be text"),
        (COMPONENT + "spec: {dependsOn: orders}", "dependsOn must be a list"),
        (COMPONENT + "---\nhello: 1", "needs the text 'kind'"),
        (COMPONENT + "---\n- [", "is not YAML"),
        ('agents: [{name: "\\UFFFFFFFF"}]', "is not YAML"),
        ('agents: [{name: "\\U00110000"}]', "is not YAML"),
        (f"%YAML 1.{'1' * 5_000}\n--- []", "is not YAML"),
        ("", "is empty"),
        ("#" * (MAX_CHARACTERS + 1), "is larger than"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(text, says):
    message = refused(text)

    assert message.startswith("f")
    assert says in message


def test_a_line_of_a_later_entity_is_its_own():
    assert refused(f"{COMPONENT}---\n{COMPONENT}spec:\n  owner: []").startswith("f:9:")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = scalars | st.lists(scalars | st.lists(scalars, max_size=2), max_size=3)
members = st.dictionaries(
    st.sampled_from(
        [
            "name",
            "provider",
            "capabilities",
            "skills",
            "organization",
            "kind",
            "apiVersion",
            "metadata",
            "spec",
            "agents",
        ]
    ),
    json_values
    | st.dictionaries(
        st.sampled_from(["name", "title", "organization", "owner", "dependsOn"]),
        json_values,
        max_size=3,
    ),
)


@settings(max_examples=200, deadline=None)
@given(documents=st.lists(members, min_size=1, max_size=3), as_json=st.booleans())
def test_any_document_is_read_or_refused_with_that_one_error(documents, as_json):
    text = (
        json.dumps(documents[0]) if as_json else yaml.safe_dump_all(documents, allow_unicode=True)
    )

    with suppress(CatalogFormatError):
        assert read_declarations(text, origin="f").origin == "f"


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary(max_size=80),
    head=st.sampled_from(
        [b"", b"{", b'{"skills": ', b"kind: A\napiVersion: b\n", b"\xef\xbb\xbfagents: "]
    ),
)
def test_any_bytes_are_read_or_refused_with_that_one_error(tmp_path_factory, content, head):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(head + content)

    with suppress(CatalogFormatError):
        load_catalog(path)


def test_anchors_that_name_each_other_many_times_cost_nothing():
    bomb = "\n".join(
        ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40))]
    )

    assert (
        read_declarations(f"{COMPONENT}spec: {{owner: me}}\n{bomb}\n", origin="f").entries[0].owner
        == "me"
    )
    assert "must be text" in refused(f"{COMPONENT}{bomb}\nspec: {{dependsOn: *a39}}\n")


def test_an_anchor_that_holds_itself_is_refused():
    assert "must be text" in refused(COMPONENT + "spec: {dependsOn: &a [*a]}")


# LinkedCalls.


def catalog(text: str, origin: str) -> Catalog:
    return read_catalog(text, origin=origin)


def test_one_thing_in_two_files_is_one_entry_and_the_first_file_holds():
    both = merge(
        [
            catalog("agents: [{id: x, name: A, value_per_run: 2}]", "one"),
            catalog(
                "agents: [{name: a, owner: team, value_per_run: 9, aliases: [a-1]}, {name: B}]",
                "two",
            ),
        ]
    )

    first, second = both.entries
    assert (first.id, first.name, first.owner, first.value_per_run, first.aliases) == (
        "x",
        "A",
        "team",
        2,
        ("a-1",),
    )
    assert [e.place for e in (first, *first.also)] == ["one, line 1", "two, line 1"]
    assert (second.name, second.also) == ("B", ())
    assert both.origin == "one, two"


def test_two_ids_are_two_things_whatever_their_names():
    both = merge(
        [catalog("[{id: dev/a, name: A}]", "one"), catalog("[{id: prod/a, name: A}]", "two")]
    )

    assert [e.id for e in both.entries] == ["dev/a", "prod/a"]


def test_namesakes_in_other_environments_or_of_another_kind_stay_apart():
    texts = [
        "agents: [{name: A}]",
        "agents: [{name: A, environment: dev}]",
        "components: [{name: A}]",
        "workflows: [{name: A}]",
    ]

    assert len(merge([catalog(text, str(n)) for n, text in enumerate(texts)]).entries) == 4


def test_what_backstage_declares_of_either_kind_joins_the_agent_of_that_name():
    both = merge(
        [
            catalog("[{name: A, aliases: [abc-*]}]", "one"),
            read_declarations(COMPONENT + "spec: {owner: me}", origin="two"),
        ]
    )

    (entry,) = both.entries
    assert (entry.declares, entry.owner, entry.aliases) == (EntryKind.ANY, "me", ("abc-*",))


def test_a_written_out_alias_joins_what_bears_that_name_unless_a_name_does():
    card = catalog("[{name: kasse, owner: me}]", "card")

    (one,) = merge([catalog("[{name: Checkout, aliases: [kasse, kas*]}]", "c"), card]).entries
    (other,) = merge([card, catalog("[{name: Checkout, aliases: [kasse, kas*]}]", "c")]).entries
    two = merge([catalog("[{name: Checkout, aliases: [kasse]}, {name: Kasse}]", "c"), card]).entries

    assert (one.name, one.owner) == ("Checkout", "me")
    assert (other.name, other.owner, other.aliases) == ("kasse", "me", ("kasse", "kas*"))
    assert [(e.name, e.owner) for e in two] == [("Checkout", None), ("Kasse", "me")]


def test_two_currencies_are_an_error():
    with pytest.raises(
        CatalogFormatError, match="two: its currency is 'USD', but one declares 'EUR'"
    ):
        merge(
            [
                catalog("{agents: [], currency: EUR}", "one"),
                catalog("{agents: [], currency: USD}", "two"),
            ]
        )


def test_no_files_are_no_catalog():
    assert load_catalogs([]) is None


def test_what_is_imported_says_where_each_entry_comes_from_and_declares_the_same():
    files = [
        DATA / name
        for name in ("catalog-info.yaml", "checkout-agent.v1.json", "pricing-agent.v03.json")
    ]
    found = load_catalogs(files)
    assert found is not None

    text = imported_text(found)
    again = read_catalog(text, origin="again")

    seen = world(
        components=[
            component(name)
            for name in ("checkout-agent", "CheckoutAgent", "PricingAgent", "DiscountBot")
        ]
    )
    expected = [m.standing for m in match(seen, found).components]
    assert [m.standing for m in match(seen, again).components] == expected
    assert expected.count(Standing.SHADOW) == 1
    for entry in found.entries:
        assert f"# from {entry.place}" in text
    assert "skipped; a System" in text


references = st.lists(st.builds(Reference, st.sampled_from("abcd")), max_size=2, unique=True).map(
    tuple
)
on_failure = st.builds(
    OnFailure,
    optional=references,
    asynchronous=references,
    any_of=st.just(()) | references.filter(lambda group: len(group) > 1).map(lambda g: (g,)),
    standbys=references,
    replicas=st.none() | st.integers(1, 9),
    retries=st.none() | st.integers(0, 9),
    timeout_seconds=st.none() | st.sampled_from([0.5, 15, 600]),
)
entries = st.builds(
    Entry,
    st.sampled_from(EntryKind),
    name=st.text("abc \n#:'\"é", min_size=1, max_size=6).filter(str.strip),
    owner=st.none() | st.text("xy\n#: ", min_size=1, max_size=5).filter(str.strip),
    value_per_run=st.none() | st.floats(0, 1e9),
    failing=st.none() | on_failure.filter(lambda f: f != OnFailure()),
    aliases=st.lists(st.sampled_from(["abc*", "*xyz", "kasse"]), max_size=2, unique=True).map(
        tuple
    ),
)


@settings(deadline=None)
@given(entries=st.lists(entries, max_size=1))
def test_what_is_written_is_read_back(entries):
    read = read_catalog(imported_text(Catalog(tuple(entries), "EUR")), origin="c").entries

    assert [_told(e) for e in read] == [_told(e) for e in entries]


def _told(e: Entry) -> tuple[object, ...]:
    failing = None if e.declares is EntryKind.WORKFLOW else e.failing
    return e.declares, e.name, e.owner, e.value_per_run, e.aliases, failing
