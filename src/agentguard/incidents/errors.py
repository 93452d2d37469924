"""Errors about incidents."""

from __future__ import annotations

from collections.abc import Iterable

from agentguard.kernel.errors import (
    AgentGuardError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
)


class UnknownIncidentError(NotFoundError):
    """There is no such incident."""

    code = "unknown-incident"

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"There is no incident {incident_id!r}. List them with `agentguard incidents list` or"
            " GET /api/incidents."
        )


class InvalidIncidentError(InvalidInputError):
    """What was told about an incident cannot be stored."""

    code = "invalid-incident"


class IncidentCursorError(InvalidInputError):
    """The start of a page is not the `next` of an earlier one."""

    code = "bad-cursor"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not the start of a page. Use `next` of the previous page.")


class TransitionNotAllowedError(ConflictError):
    """The state of the incident does not allow this transition."""

    code = "transition-not-allowed"

    def __init__(self, incident_id: str, state: str, wanted: str, allowed: Iterable[str]) -> None:
        self._allowed = list(allowed)
        super().__init__(
            f"Incident {incident_id} is {state}, so it cannot become {wanted}. From {state} it can"
            f" become {' or '.join(self._allowed)}."
        )

    @property
    def extensions(self) -> dict[str, object]:
        return {"allowed": self._allowed}


class IncidentMergedError(ConflictError):
    """The incident was merged into another one, which has to be changed instead."""

    code = "incident-merged"

    def __init__(self, incident_id: str, into: str) -> None:
        super().__init__(
            f"Incident {incident_id} is a duplicate and was merged into {into}. Change that one."
        )
        self._into = into

    @property
    def extensions(self) -> dict[str, object]:
        return {"merged_into": self._into}


class MergeNotAllowedError(ConflictError):
    """These two incidents cannot be merged."""

    code = "merge-not-allowed"


class PlaybookNotFinishedError(ConflictError):
    """The job is no finished playbook."""

    code = "playbook-not-finished"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job {job_id!r} is no finished playbook. Write one with `agentguard playbook` or POST"
            " /api/playbook with `background`, and wait until its job has succeeded."
        )


class NoPlaybookLinkedError(ConflictError):
    """Feedback is about the linked playbook, and there is none."""

    code = "no-playbook-linked"

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"No playbook is linked to incident {incident_id}, so there is no step to judge. Link"
            " one with `agentguard incidents link` or POST /api/incidents/{id}/links."
        )


class NothingDoneError(ConflictError):
    """The incident was neither mitigated nor resolved, so there is no before and after."""

    code = "nothing-done"

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"Incident {incident_id} was neither mitigated nor resolved, so there is nothing to"
            " compare. Move it with `agentguard incidents mitigate` once something was done."
        )


class UnknownStepError(InvalidInputError):
    """The linked playbook has no such step."""

    code = "unknown-step"

    def __init__(self, step: str, steps: Iterable[str]) -> None:
        known = ", ".join(steps)
        super().__init__(f"The playbook has no step {step!r}. It has {known}; numbers count too.")


class IncidentChangedError(AgentGuardError):
    """Somebody else changed the incident since it was read."""

    code = "incident-changed"
    status = 412

    def __init__(self, incident_id: str, expected: int, version: int) -> None:
        self._version = version
        super().__init__(
            f"Incident {incident_id} was changed meanwhile: it has version {version}, not"
            f" {expected}. Read it again, then decide again."
        )

    @property
    def extensions(self) -> dict[str, object]:
        return {"version": self._version}
