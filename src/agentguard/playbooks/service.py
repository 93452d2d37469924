"""The use case of playbooks: what to do about a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from agentguard.accounts.principal import Permission, Principal
from agentguard.catalog.matching import match
from agentguard.graph.documents import origin_of
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.incidents.recoveries import Recovery
from agentguard.jobs.attempts import JOBS, Report
from agentguard.jobs.model import Job, JobKind, UnknownJobError
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.errors import NoLanguageModelError, UnknownPlaybookError
from agentguard.playbooks.generator import generate, suited_template
from agentguard.playbooks.model import Playbook
from agentguard.playbooks.refining import Refiner
from agentguard.playbooks.templates import Templates, packaged_templates
from agentguard.playbooks.written import (
    NoPlaybookError,
    PlaybookNotWrittenError,
    written_playbook,
)
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.naming import names_of
from agentguard.simulation.service import (
    Failure,
    JobQueue,
    ResolvedFailure,
    SimulationService,
)

KIND = JobKind.PLAYBOOK.value


@dataclass(frozen=True, slots=True)
class Wish:
    """What a playbook is asked for beside the failure."""

    condition: str | None = None
    """Name of the template; None: the one suited to what fails and how."""
    started_at: int | None = None
    """When the failure began, ns since the epoch; None: unknown."""
    refine: bool | None = None
    """Whether a language model phrases it; None: in jobs, where one is set."""

    def request(self) -> dict[str, Any]:
        """Return it as a job stores it: all that the answer depends on."""
        return {
            "condition": self.condition,
            "started_at": self.started_at,
            "refine": self.refine,
        }

    @staticmethod
    def of(request: Mapping[str, Any]) -> Wish:
        """Return what a job stored; older jobs have none of it."""
        return Wish(request.get("condition"), request.get("started_at"), request.get("refine"))


NO_WISH = Wish()


class PlaybookJobs(JobQueue, Protocol):
    """Submits jobs, and returns them with their results; see jobs.queue.Jobs."""

    async def get(self, job_id: str) -> Job:
        """Return the job; raise UnknownJobError if there is none."""


class Past(Protocol):
    """What past incidents tell; see incidents.recoveries.PastIncidents."""

    async def recoveries(
        self, components: Collection[str], condition: str
    ) -> tuple[Recovery, ...]: ...

    async def stamp(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class PlaybookService:
    """Writes the playbooks of simulated failures. Every use needs the permission SIMULATE."""

    simulations: SimulationService
    jobs: PlaybookJobs
    templates: Templates = field(default_factory=packaged_templates)
    refiner: Refiner | None = None
    """None: no language model is set."""
    past: Past | None = None
    """None: nothing is known of past incidents."""

    async def resolve(self, actor: Principal, failure: Failure) -> ResolvedFailure:
        """Return the graph and the components that the failure names; see SimulationService."""
        return await self.simulations.resolve(actor, failure)

    async def write(
        self, actor: Principal, failure: ResolvedFailure, wish: Wish = NO_WISH
    ) -> dict[str, Any]:
        """Return the document of the playbook. Takes a few times as long as the simulation.

        A language model that is asked takes up to its time limit more. Raises
        UnknownConditionError, NoLanguageModelError.
        """
        self._check(wish)
        result = await self.simulations.result(actor, failure)
        runs = await self.simulations.selector.runs(failure.selected)
        graph = failure.selected.graph
        past = await self._recoveries(graph, result, wish)
        playbook = await asyncio.to_thread(self._generate, graph, result, runs, wish, past)
        document = partial(playbook_document, links=self.simulations.links)
        origin = origin_of(failure.selected)
        if self.refiner is None or not wish.refine:
            return origin | document(playbook)
        refined = await self.refiner.refine(playbook, _names(graph))
        return origin | document(refined.playbook, refined=refined)

    async def submit(self, actor: Principal, failure: Failure, wish: Wish = NO_WISH) -> Job:
        """Store a job that writes the playbook; raise as SimulationService.submit."""
        self._check(wish)
        await self.resolve(actor, failure)
        return await self.jobs.submit(actor, KIND, failure.request() | wish.request())

    async def run(self, job: Job, _report: Report) -> Mapping[str, Any]:
        """Return the playbook's document (a JobFunction)."""
        failure = await self.resolve(JOBS, Failure.of(job.request))
        wish = Wish.of(job.request)
        refine = self.refiner is not None if wish.refine is None else wish.refine
        return await self.write(JOBS, failure, replace(wish, refine=refine))

    async def get(self, actor: Principal, playbook_id: str) -> Mapping[str, Any]:
        """Return the document that a playbook job stored, under the job's id.

        Raises PermissionDeniedError, UnknownPlaybookError: also while the job runs.
        """
        actor.require(Permission.READ)
        try:
            return written_playbook(await self.jobs.get(playbook_id))
        except (UnknownJobError, NoPlaybookError, PlaybookNotWrittenError):
            raise UnknownPlaybookError(playbook_id) from None

    async def stamp(self) -> tuple[int, int] | None:
        """Return what changes whenever past incidents make another playbook of equal inputs."""
        return None if self.past is None else await self.past.stamp()

    async def _recoveries(
        self, graph: Graph, result: SimulationResult, wish: Wish
    ) -> tuple[Recovery, ...]:
        if self.past is None:
            return ()
        template = suited_template(graph, result, self.templates, wish.condition)
        return await self.past.recoveries(result.scenario.failed, template.condition)

    def _check(self, wish: Wish) -> None:
        if wish.condition is not None:
            self.templates.named(wish.condition)
        if wish.refine and self.refiner is None:
            raise NoLanguageModelError

    def _generate(
        self,
        graph: Graph,
        result: SimulationResult,
        runs: Runs,
        wish: Wish,
        past: Sequence[Recovery],
    ) -> Playbook:
        return generate(
            graph,
            result,
            runs=runs,
            matches=match(graph, self.simulations.catalog),
            templates=self.templates,
            condition=wish.condition,
            started_at=wish.started_at,
            recoveries=past,
        )


def _names(graph: Graph) -> dict[str, str]:
    """Return what components, workflows and providers are called: words of telemetry."""
    providers = {p for c in graph.components for p in c.providers}
    return names_of(graph) | {f"provider:{p}": p for p in sorted(providers)}
