"""Errors of playbooks."""

from __future__ import annotations

from agentguard.kernel.errors import FileFormatError, InvalidInputError, NotFoundError


class PlaybookTemplateError(FileFormatError):
    """The file is not a valid playbook template."""

    code = "playbook-template"
    advice = "Check AGENTGUARD_PLAYBOOKS."


class UnknownConditionError(InvalidInputError):
    """No template has this name."""

    code = "unknown-condition"

    def __init__(self, wanted: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"There is no playbook template {wanted!r}. Use one of: {', '.join(known)}."
        )


class UnknownPlaybookError(NotFoundError):
    """No stored playbook has this id."""

    code = "unknown-playbook"

    def __init__(self, playbook_id: str) -> None:
        super().__init__(
            f"There is no stored playbook {playbook_id!r}. It may have expired; write a new one"
            " with `agentguard playbook`."
        )


class NoLanguageModelError(InvalidInputError):
    """A language model is to phrase the playbook, but none is set."""

    code = "no-language-model"

    def __init__(self) -> None:
        super().__init__(
            "No language model is set. Set GEMINI_API_KEY, or AGENTGUARD_OPENAI_BASE_URL and"
            " AGENTGUARD_OPENAI_MODEL."
        )
