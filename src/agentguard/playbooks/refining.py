"""Refines a playbook with a language model, and falls back on the deterministic one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from agentguard.playbooks.answers import AnsweredPlaybook, AnswerError, parse_answer
from agentguard.playbooks.grounding import problems_of
from agentguard.playbooks.language_models import (
    NO_USAGE,
    Answer,
    LanguageModel,
    ModelUnavailableError,
    Refusal,
    Usage,
)
from agentguard.playbooks.model import Playbook, PlaybookStep
from agentguard.playbooks.prompting import Asked, answer_schema, asked

MAX_PROBLEMS = 20
_MILLION = 1_000_000


class RefinementState(StrEnum):
    """What came of asking the model."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Its answer says what the facts do not, also after it was asked to mend it."""
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Price:
    """The stated price of a million tokens."""

    input: float
    output: float

    def of(self, usage: Usage) -> float | None:
        """Return what the tokens cost; None where their number is unknown."""
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        return (usage.input_tokens * self.input + usage.output_tokens * self.output) / _MILLION


@dataclass(frozen=True, slots=True)
class Refinement:
    """How a model was asked, and what came of it."""

    state: RefinementState
    reason: str | None
    """Why the deterministic playbook stands; None: it was replaced."""
    problems: tuple[str, ...]
    """Of the last answer, or of the first one if the second was accepted."""
    model: str
    usage: Usage
    cost: float | None
    """None: no price is set, or the number of tokens is unknown."""
    latency_ms: float
    attempts: int
    """Questions asked: two where the first answer had to be mended."""


@dataclass(frozen=True, slots=True)
class Refined:
    """A playbook with its deterministic version and how it came about."""

    playbook: Playbook
    deterministic: Playbook
    refinement: Refinement


@dataclass(frozen=True, slots=True)
class Refiner:
    """Asks a language model to phrase playbooks."""

    model: LanguageModel
    monotonic: Callable[[], float]
    """Seconds."""
    price: Price | None = None

    async def refine(self, playbook: Playbook, names: Mapping[str, str]) -> Refined:
        """Return the playbook in the model's words where they are grounded, else unchanged.

        `names`: component → name. Asks once more where the first answer is rejected. Never raises
        for what the model does.
        """
        started, known = self.monotonic(), asked(playbook, names)
        found = await self._ask(known)
        latency = 1000 * (self.monotonic() - started)
        cost = None if self.price is None else self.price.of(found.usage)
        refinement = Refinement(
            found.state,
            found.reason,
            tuple(found.problems[:MAX_PROBLEMS]),
            found.model,
            found.usage,
            cost,
            round(latency, 3),
            found.attempts,
        )
        if found.answer is None:
            return Refined(playbook, playbook, refinement)
        return Refined(_rephrased(known, found.answer, found.model), playbook, refinement)

    async def _ask(self, known: Asked) -> _Found:
        found = _Found(self.model.name)
        former = ""
        for _ in range(2):
            try:
                completion = await self.model.complete(
                    known.prompt(found.problems, former), answer_schema()
                )
            except ModelUnavailableError as error:
                return found.ended(RefinementState.UNAVAILABLE, str(error))
            found = replace(
                found, usage=found.usage + completion.usage, attempts=found.attempts + 1
            )
            if isinstance(completion, Refusal):
                return found.ended(RefinementState.REFUSED, f"{found.model}: {completion.reason}.")
            found = _judged(found, completion, known)
            if found.answer is not None:
                return found
            former = completion.text
        return found.ended(
            RefinementState.REJECTED, f"Its answer was rejected: {found.problems[0]}"
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known after some questions."""

    model: str
    state: RefinementState = RefinementState.ACCEPTED
    reason: str | None = None
    problems: tuple[str, ...] = ()
    usage: Usage = NO_USAGE
    attempts: int = 0
    answer: AnsweredPlaybook | None = None

    def ended(self, state: RefinementState, reason: str) -> _Found:
        return replace(self, state=state, reason=reason)


def _judged(found: _Found, completion: Answer, known: Asked) -> _Found:
    try:
        answer = parse_answer(completion.text)
    except AnswerError as error:
        return replace(found, model=completion.model, problems=tuple(error.problems))
    problems = tuple(problems_of(answer, known))
    if problems:
        return replace(found, model=completion.model, problems=problems)
    return replace(found, model=completion.model, answer=answer)


def _rephrased(known: Asked, answer: AnsweredPlaybook, model: str) -> Playbook:
    """Return the playbook with the model's texts; ids, owners and evidence stay as they were."""
    by_id = {s.id: s for s in answer.steps}
    playbook = known.playbook
    situation = replace(playbook.situation, summary=known.restored(answer.summary))

    def step(s: PlaybookStep) -> PlaybookStep:
        said = by_id[s.id]
        return replace(
            s,
            title=known.restored(said.title),
            actions=tuple(map(known.restored, said.actions)),
            verifications=tuple(map(known.restored, said.verifications)),
            rollback=tuple(map(known.restored, said.rollback)),
        )

    steps = tuple(step(s) for s in playbook.steps)
    return replace(playbook, situation=situation, steps=steps, generator=model)
