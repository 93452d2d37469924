"""Whether a model's answer says nothing that the facts do not: every reason against it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agentguard.playbooks.answers import AnsweredPlaybook, AnsweredStep
from agentguard.playbooks.model import PlaybookStep
from agentguard.playbooks.number_words import numbers_in
from agentguard.playbooks.prompting import Asked
from agentguard.playbooks.vocabulary import (
    COMMON_WORDS,
    DANGEROUS,
    NEGATIONS,
    SECRETS,
    VERBS,
)

_ID = re.compile(r"\[([^\[\]]{1,40})\]")
_MARKUP = re.compile(r"://|www\.|\]\(|<[^>]*>|`|\*\*|&[#\w]+;|\{|\}|\|\||&&|\$\(|data:|javascript:")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_IDENTIFIER = re.compile(r"[\w.@/:+-]*[\w/]")
_LEAST_ENGLISH = 0.6
"""Share of the words that must be common English or words of the facts: what is written in another
language cannot be checked.
"""
_FEW_WORDS = 3


@dataclass(frozen=True, slots=True)
class Ground:
    """What one text may say."""

    numbers: frozenset[str]
    words: frozenset[str]
    identifiers: frozenset[str]


def problems_of(answer: AnsweredPlaybook, asked: Asked) -> list[str]:
    """Return every reason against the answer; an empty list means that it is grounded."""
    steps = asked.playbook.steps
    found = [*_order(answer, [s.id for s in steps])]
    s = asked.playbook.situation
    of_situation = [s.lost, s.summary, asked.playbook.unknown or "", s.title, s.severity.value]
    found += _text("summary", answer.summary, _ground(asked, of_situation), asked)
    for each in answer.steps:
        step = asked.steps.get(each.id)
        if step is not None:
            found += _step(each, step, asked, _ground(asked, [*of_situation[:1], *_texts(step)]))
    return found


def _order(answer: AnsweredPlaybook, wanted: list[str]) -> Iterator[str]:
    given = [s.id for s in answer.steps]
    invented = sorted(set(given) - set(wanted))
    if invented:
        yield f"There is no step {_quoted(invented)}."
    if given != wanted and not invented:
        yield f"The steps must be {', '.join(wanted)}, each once and in this order."


def _step(each: AnsweredStep, step: PlaybookStep, asked: Asked, ground: Ground) -> Iterator[str]:
    if each.action != step.action.value:
        yield f"{step.id}: its action is {step.action.value}, not {each.action}."
    outside = set(each.targets) - asked.targets(step)
    if outside:
        yield f"{step.id}: {_quoted(outside)} is no target of this step."
    unknown = set(each.cites) - asked.names.keys() - asked.traces.keys()
    if unknown:
        yield f"{step.id}: there is no {_quoted(unknown)} to cite."
    for text in each.texts:
        yield from _text(step.id, text, ground, asked)
    before = [_plain(asked.shortened(line)) for line in (*step.actions, *step.details, step.title)]
    yield from _verbs(each, step, {_first(line) for line in before})
    yield from _kept(each, step, before[: len(step.actions)])


def _text(place: str, text: str, ground: Ground, asked: Asked) -> Iterator[str]:
    """Yield each problem in one text."""
    hidden = [
        c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
    ]
    if hidden:
        yield f"{place}: it has invisible characters."
    if _MARKUP.search(text):
        yield f"{place}: it has links, markup or code."
    ids = [i for i in _ID.findall(text) if i not in asked.names and i not in asked.traces]
    if ids:
        yield f"{place}: there is no {_quoted(ids)} to refer to."
    plain = _plain(text)
    if any(secret.search(text) for secret in SECRETS):
        yield f"{place}: it has what looks like a secret."
    more = sorted(numbers_in(plain) - ground.numbers)
    if more:
        yield f"{place}: the facts do not have {_quoted(more)}."
    names = sorted(_identifiers(plain) - ground.identifiers)
    if names:
        yield f"{place}: the facts name no {_quoted(names)}."
    yield from _language(place, plain, ground)


def _language(place: str, plain: str, ground: Ground) -> Iterator[str]:
    words = [w.casefold() for w in _WORD.findall(plain)]
    foreign = sorted({w for w in words if not w.isascii()} - ground.words)
    if foreign:
        yield f"{place}: {_quoted(foreign)} is neither English nor in the facts."
    known = [w for w in words if w in ground.words or _stem(w) in COMMON_WORDS]
    if len(words) > _FEW_WORDS and len(known) < _LEAST_ENGLISH * len(words):
        yield f"{place}: too few of its words are common English or words of the facts."
    dangerous = sorted({w for w in words if _stem(w) in DANGEROUS} - ground.words)
    if dangerous:
        yield f"{place}: {_quoted(dangerous)} is no part of this step."


def _verbs(each: AnsweredStep, step: PlaybookStep, own: set[str]) -> Iterator[str]:
    for line in each.actions:
        verb = _first(_plain(line))
        if verb not in VERBS and verb not in own:
            yield f"{step.id}: {_quoted([verb])} is no verb that an action may begin with."


def _kept(each: AnsweredStep, step: PlaybookStep, actions: list[str]) -> Iterator[str]:
    said = " ".join(each.texts).casefold()
    lost = [word for word in step.keeps if word.casefold() not in said]
    if lost:
        yield f"{step.id}: it must still say {_quoted(lost)}."
    if set(_words(actions)) & NEGATIONS and not set(_words(each.actions)) & NEGATIONS:
        yield f"{step.id}: a condition or negation of its actions is gone."


def _first(line: str) -> str:
    words = _WORD.findall(line)
    return words[0].casefold() if words else ""


def _words(lines: Iterable[str]) -> list[str]:
    return [w.casefold() for line in lines for w in _WORD.findall(line)]


def _ground(asked: Asked, texts: Iterable[str]) -> Ground:
    """Return what these texts say, without the names in them: those are a stranger's words."""
    plain = " ".join(_plain(asked.shortened(text)) for text in texts)
    return Ground(
        frozenset(numbers_in(plain)), frozenset(_words([plain])), frozenset(_identifiers(plain))
    )


def _texts(step: PlaybookStep) -> list[str]:
    lists = (step.actions, step.verifications, step.rollback, step.details)
    return [step.title, *(line for lines in lists for line in lines), *step.runbooks]


def _plain(text: str) -> str:
    """Return the text without ids."""
    return _ID.sub(" ", text)


def _identifiers(text: str) -> set[str]:
    """Return the words that look like names of components, files, hosts or commands."""
    found = (word.strip(".:-+") for word in _IDENTIFIER.findall(text))
    return {word for word in found if _looks_named(word)}


def _looks_named(word: str) -> bool:
    letters = any(c.isalpha() for c in word)
    inner_capital = any(c.isupper() for c in word[1:]) and any(c.islower() for c in word)
    joined = any(c in word for c in "_@/.:") or (any(c.isdigit() for c in word) and letters)
    return letters and (inner_capital or joined)


def _stem(word: str) -> str:
    """Return the word without its ending, as far as that matters here."""
    for ending, rest in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: -len(ending)] + rest
    return word


def _quoted(items: Iterable[str]) -> str:
    return ", ".join(repr(item[:40]) for item in sorted(set(items))[:5])
