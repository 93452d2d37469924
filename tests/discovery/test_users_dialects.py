"""Dialect files that users write: what they change, and what is wrong with them, by line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agentguard.bootstrap.opening import open_app
from agentguard.discovery.dialects.checking import check_file
from agentguard.discovery.dialects.errors import InvalidDialectsError
from agentguard.discovery.dialects.loading import Dialects, load_dialects, packaged_tables
from agentguard.discovery.dialects.users import dialects_with
from agentguard.ingest.attribute_selection import Reduction
from agentguard.ingest.decoding import Decoder
from agentguard.scan.pipeline import scan
from agentguard.settings import Settings, load_settings
from tests.discovery.scoped_spans import payload, span
from tests.kernel.growth import grows_superlinearly

VALID = """
id: desk
about: The desk's own agents
version: 1
spans:
  - when: {scope: '^desk\\.', equals: {desk.step: [plan, book]}}
    role: agent
    name: [desk.agent]
  - when: {scope: '^desk\\.', name: '^lookup '}
    role: tool
    name: [{span: '^lookup (.+)$'}]
input_tokens: [desk.tokens.in]
errors:
  - when: {equals: {desk.outcome: failed}}
"""


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def with_rules(folder: Path, *rules: dict[str, Any], name: str = "mine.yaml", **more: Any) -> Path:
    table = {"id": name.removesuffix(".yaml"), "spans": list(rules)} | more
    return written(folder, yaml.safe_dump(table), name)


def components(dialects: Dialects, *spans: dict[str, Any], scope: str = "desk.agents") -> set[str]:
    return {c.id for c in scan([payload(scope, *spans)], dialects).graph.components}


def faults(path: Path, *more: Path) -> list[tuple[str, Any, Any]]:
    with pytest.raises(InvalidDialectsError) as raised:
        dialects_with((path, *more))
    return [(Path(str(f["file"])).name, f["line"], f["problem"]) for f in raised.value.faults]


def test_a_file_gives_spans_their_roles_names_tokens_and_failures(tmp_path: Path) -> None:
    mine = dialects_with((written(tmp_path, VALID),))
    found = scan(
        [
            payload(
                "desk.agents",
                span(1, "x", desk__step="plan", desk__agent="planner", desk__tokens__in=5),
                span(2, "lookup trains", parent=1, desk__outcome="failed"),
            )
        ],
        mine,
    ).graph
    tool = next(c for c in found.components if c.kind == "tool")

    assert {c.id for c in found.components} == {"agent:planner", "tool:desk/trains"}
    assert tool.errors == 1
    assert tool.basis.rule == "desk#2"
    assert tool.basis.convention == str(tmp_path / "mine.yaml")


def test_a_users_rule_overrides_a_built_in_one(tmp_path: Path) -> None:
    chat = span(1, "chat gpt-4o", gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o")
    rule = {
        "when": {"equals": {"gen_ai.operation.name": "chat"}},
        "role": "tool",
        "name": [{"span": "^(chat)"}],
    }

    assert components(load_dialects(), chat) == {"model:gpt-4o"}
    assert components(dialects_with((with_rules(tmp_path, rule),)), chat) == {"tool:desk/chat"}


def test_the_first_of_several_files_counts(tmp_path: Path) -> None:
    when = {"scope": "^desk"}
    one = with_rules(
        tmp_path, {"when": when, "role": "agent", "name": [{"span": "(.+)"}]}, name="one.yaml"
    )
    two = with_rules(
        tmp_path, {"when": when, "role": "tool", "name": [{"span": "(.+)"}]}, name="two.yaml"
    )

    assert components(dialects_with((one, two)), span(1, "look")) == {"agent:look"}
    assert components(dialects_with((two, one)), span(1, "look")) == {"tool:desk/look"}


def test_without_files_the_built_in_table_is_unchanged() -> None:
    assert dialects_with(()) == load_dialects()


def test_every_built_in_file_passes_the_check() -> None:
    for name, table in packaged_tables().items():
        found = check_file(yaml.safe_dump(dict(table)), name)
        assert (found.id, found.faults) == (table["id"], [])


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("id: mine\nspans:\n  - when: {scope: a}\n    role: '?'\n", 4, "role is still '?'"),
        ("id: mine\nspans:\n  - when: {scope: a}\n    role: robot\n", 4, "one of step, agent"),
        ("id: mine\nspans:\n  - role: agent\n", 3, "needs `when`"),
        ("id: mine\nspans:\n  - when: {scope: a}\n", 3, "needs `role`"),
        ("id: mine\nspans:\n  - when: {}\n    role: step\n", 3, "matches every span"),
        ("id: mine\nspans:\n  - when: {scopes: a}\n    role: step\n", 3, "unknown key 'scopes'"),
        ("id: mine\nspans:\n  - when: {name: 'a(?=b)'}\n    role: step\n", 3, "invalid at column"),
        ("id: mine\nspans:\n  - when: {kinds: [inner]}\n    role: step\n", 3, "kinds must be one"),
        ("id: mine\nspans:\n  - when: {either: [{}]}\n    role: step\n", 3, "every span"),
        ("id: mine\nspans:\n  - when: {either: [{nam: a}]}\n    role: step\n", 3, "'nam'"),
        ("id: mine\nspans:\n  - when: {has: a}\n    role: step\n", 3, "has must be a list"),
        ("id: mine\nspans:\n  - when: {has: [a, 1]}\n    role: step\n", 3, "has must be text"),
        ("id: mine\nspans:\n  - when: {equals: a}\n    role: step\n", 3, "equals must be a map"),
        ("id: mine\nspans:\n  - when: {scope: a}\n    role: tool\n    name: ['?']\n", 5, "name is"),
        ("id: mine\nspans:\n  - when: {scope: a}\n    role: tool\n    name: [{x: y}]\n", 5, "'x'"),
        ("id: mine\nspans:\n  - when: {scope: a}\n    role: tool\n    passes: 1\n", 5, "true or"),
        ("id: mine\nspans:\n  - when: {has: [service.name]}\n    role: tool\n", 3, "resource"),
        ("id: mine\nfacts:\n  - {into: a, from: b, when: {scope: c}}\n", 3, "`path` or a"),
        ("id: mine\nerrors:\n  - when: {name: '('}\n", 3, "invalid"),
        ("id: mine\nreduced: {a: short}\n", 2, "reduced must be one of"),
        ("id: mine\nkeeps: a\n", 2, "keeps must be a list"),
        ("id: Mine!\n", 1, "lower-case"),
        ("id: http\n", 1, "belongs to a dialect of AgentGuard"),
        ("about: x\n", None, "needs an `id`"),
        ("id: mine\nspan: []\n", 2, "unknown key 'span'"),
        ("id: mine\nid: other\n", 2, "duplicate key"),
        ("id: mine\n---\nid: other\n", 3, "second document"),
        ("id: [", 1, "is not YAML"),
        ("", None, "is empty"),
        ("- id: mine\n", 1, "must be a mapping"),
    ],
)
def test_a_fault_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int | None, part: str
) -> None:
    (found,) = faults(written(tmp_path, text))

    assert found[:2] == ("mine.yaml", line)
    assert part in found[2]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("spans:\n  - when: {has: [gen_ai.usage.input_tokens]}\n    role: step\n", 3, "tokens"),
        ("spans:\n  - when: {has: [gen_ai.output.messages]}\n    role: step\n", 3, "content"),
        ("input_tokens: [gen_ai.agent.name]\n", 2, "kept"),
        (
            "facts:\n  - {into: a, from: gen_ai.agent.name, when: {scope: b}, path: [c]}\n",
            3,
            "kept",
        ),
        ("reduced: {url.full: path}\n", 2, "already reduced to host"),
        ("reduced: {gen_ai.agent.name: flag}\n", 2, "already kept whole"),
    ],
)
def test_an_attribute_has_one_use(tmp_path: Path, text: str, line: int, part: str) -> None:
    (found,) = faults(written(tmp_path, f"id: mine\n{text}"))

    assert found[:2] == ("mine.yaml", line)
    assert part in found[2]


def test_the_same_use_is_no_contradiction(tmp_path: Path) -> None:
    reduced = "reduced: {url.full: host, my.url: host}"
    text = f"id: mine\n{reduced}\ninput_tokens: [llm.token_count.prompt]\n"

    wanted = dialects_with((written(tmp_path, text),)).wanted

    assert wanted.reductions["my.url"] is Reduction.HOST


def test_all_faults_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    rules = "spans:\n  - {when: {scope: a}, role: one}\n  - {when: {scope: a}, role: two}\n"
    one = written(tmp_path, f"id: one\n{rules}", "one.yaml")
    two = written(tmp_path, f"id: one\n{rules}", "two.yaml")

    found = faults(one, two, tmp_path / "none.yaml")

    assert sorted(place[:2] for place in found if place[1] is not None) == [
        ("one.yaml", 3),
        ("one.yaml", 4),
        ("two.yaml", 1),
        ("two.yaml", 3),
        ("two.yaml", 4),
    ]
    assert [place[0] for place in found if place[1] is None] == ["none.yaml"]


def test_attributes_that_the_decoder_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    one, two = "desk.age1.attributes.of.a_name", "desk.age2.attributes.of.a_name"
    rule = {"when": {"has": [one]}, "role": "step"}

    (found,) = faults(with_rules(tmp_path, rule, input_tokens=[two]))

    assert one in found[2]
    assert two in found[2]


def test_similar_attributes_of_one_use_are_told_apart(tmp_path: Path) -> None:
    one, two = "desk.age1.attributes.of.a_name", "desk.age2.attributes.of.a_name"
    rule = {"when": {"has": [one, two]}, "role": "agent", "name": [two]}
    mine = dialects_with((with_rules(tmp_path, rule),))
    both: dict[str, Any] = {one: "left", two: "right"}

    assert components(mine, span(1, "x", **both), scope="desk") == {"agent:right"}


def test_a_pathological_pattern_costs_linear_time(tmp_path: Path) -> None:
    rule = {"when": {"name": "(a+)+$"}, "role": "step"}
    pattern = dialects_with((with_rules(tmp_path, rule),)).rules[0].condition.name
    assert pattern is not None

    assert not grows_superlinearly(pattern.found, lambda size: "a" * size + "!")


SCALARS = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats())
KEYS = st.sampled_from(
    ["id", "spans", "when", "role", "name", "has", "equals", "facts", "usage", "reduced", "errors"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


TABLES = VALUES.map(lambda value: yaml.safe_dump({"id": "mine", "spans": value}))


@given(text=st.text() | TABLES)
def test_any_text_is_a_dialect_or_is_refused_with_its_faults(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "mine.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")

    with contextlib.suppress(InvalidDialectsError):
        Decoder(dialects_with((path,)).wanted)


def test_the_setting_names_several_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().dialects == ()

    monkeypatch.setenv("AGENTGUARD_DIALECTS", "one.yaml, more/two.yaml")

    assert load_settings().dialects == (Path("one.yaml"), Path("more/two.yaml"))


@pytest.mark.anyio
@pytest.mark.parametrize("serving", [True, False])
async def test_a_fault_stops_the_start_before_anything_is_written(
    tmp_path: Path, serving: bool
) -> None:
    path = written(tmp_path, "id: mine\nspans:\n  - {when: {scope: a}, role: robot}\n")
    settings = Settings(data_dir=tmp_path / "data", dialects=(path,))

    with pytest.raises(InvalidDialectsError, match=r"mine\.yaml:3: role must be one of"):
        async with open_app(settings, serving=serving, in_processes=False):
            pass
    assert not (tmp_path / "data").exists()
