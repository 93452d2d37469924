"""What surrounds a language model: retries, a budget, a cache and a record of exchanges."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256

from agentguard.kernel.clock import NS_PER_HOUR, Clock
from agentguard.kernel.stable_json import stable_json
from agentguard.playbooks.language_models import (
    Answer,
    Completion,
    LanguageModel,
    ModelUnavailableError,
    Prompt,
    Refusal,
    Schema,
)

Sleep = Callable[[float], Awaitable[None]]
_DAY = 24 * NS_PER_HOUR
_LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class RetryingModel:
    """Asks again after a while where the model is unavailable."""

    model: LanguageModel
    attempts: int = 3
    first_wait_seconds: float = 1.0
    """Doubles with each attempt; a longer `Retry-After` takes precedence, up to 30 s."""
    sleep: Sleep = asyncio.sleep

    @property
    def name(self) -> str:
        return self.model.name

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        for attempt in range(self.attempts - 1):
            try:
                return await self.model.complete(prompt, schema)
            except ModelUnavailableError as error:
                wait = self.first_wait_seconds * 2**attempt
                if (error.retry_after_seconds or 0) > _LONGEST_WAIT:
                    raise
                await self.sleep(max(wait, error.retry_after_seconds or 0))
        return await self.model.complete(prompt, schema)


@dataclass(slots=True)
class BudgetedModel:
    """Refuses questions once this process has used the day's tokens.

    An exchange whose usage is unknown counts with a token for each three bytes of its texts.
    """

    model: LanguageModel
    tokens_per_day: int
    clock: Clock
    _since: int = 0
    _used: int = 0

    @property
    def name(self) -> str:
        return self.model.name

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        now = self.clock()
        if now - self._since >= _DAY:
            self._since, self._used = now, 0
        if self._used >= self.tokens_per_day:
            return Refusal(f"the budget of {self.tokens_per_day:,} tokens a day is used up")
        found = await self.model.complete(prompt, schema)
        self._used += _tokens(prompt, found)
        return found


def _tokens(prompt: Prompt, found: Completion) -> int:
    usage = found.usage
    if usage.input_tokens is not None and usage.output_tokens is not None:
        return usage.input_tokens + usage.output_tokens
    text = found.text if isinstance(found, Answer) else ""
    return len(f"{prompt.instructions}{prompt.content}{text}".encode()) // 3


@dataclass(slots=True)
class CachedModel:
    """Answers an equal question with the former answer; refusals are not kept."""

    model: LanguageModel
    size: int = 64
    _answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)

    @property
    def name(self) -> str:
        return self.model.name

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        key = sha256(stable_json([self.name, prompt, schema])).hexdigest()
        if key in self._answers:
            self._answers.move_to_end(key)
            return self._answers[key]
        found = await self.model.complete(prompt, schema)
        if isinstance(found, Answer):
            self._answers[key] = found
            while len(self._answers) > self.size:
                self._answers.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question with what came of it."""

    model: str
    prompt: Prompt
    schema: Schema
    completion: Completion | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RecordingModel:
    """Hands every exchange to `record`, also a failed one."""

    model: LanguageModel
    record: Callable[[Exchange], None]

    @property
    def name(self) -> str:
        return self.model.name

    async def complete(self, prompt: Prompt, schema: Schema) -> Completion:
        try:
            found = await self.model.complete(prompt, schema)
        except ModelUnavailableError as error:
            self.record(Exchange(self.name, prompt, schema, None, error.reason))
            raise
        self.record(Exchange(self.name, prompt, schema, found, None))
        return found
