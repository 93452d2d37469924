"""Stored simulations in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import RowMapping, Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.tables import (
    simulated_components,
    simulation_catalogs,
    simulations,
)
from agentguard.adapters.sql.upserts import insert_into
from agentguard.catalog.model import Catalog
from agentguard.kernel.stable_json import stable_json
from agentguard.retention.policy import Item
from agentguard.simulation.identity import digest
from agentguard.simulation.model import Thresholds
from agentguard.simulation.storage.model import (
    Inputs,
    SimulationFilter,
    SimulationRecord,
    StoredSimulation,
    UnknownSimulationError,
)

_CATALOG = TypeAdapter(Catalog)
_LARGE = (simulations.c.inputs, simulations.c.document)
_OF_RECORD = [column for column in simulations.c if column not in _LARGE]


@dataclass(frozen=True, slots=True)
class SqlSimulationStore:
    """A SimulationStore over one transaction."""

    connection: AsyncConnection

    async def add(self, simulation: StoredSimulation) -> bool:
        record = simulation.record
        catalog = await self._add_catalog(simulation.inputs.catalog)
        row = insert_into(self.connection, simulations).values(_values(simulation, catalog))
        new = row.on_conflict_do_nothing().returning(simulations.c.id)
        if (await self.connection.execute(new)).first() is None:
            return False
        failed = [{"simulation": record.id, "component": each} for each in record.failed]
        await self.connection.execute(simulated_components.insert(), failed)
        return True

    async def is_kept(self, simulation_id: str) -> bool:
        wanted = select(simulations.c.id).where(simulations.c.id == simulation_id)
        return (await self.connection.execute(wanted)).first() is not None

    async def get(self, simulation_id: str) -> StoredSimulation:
        wanted = (
            select(simulations, simulation_catalogs.c.document.label("catalog_document"))
            .outerjoin(simulation_catalogs)
            .where(simulations.c.id == simulation_id)
        )
        row = (await self.connection.execute(wanted)).mappings().first()
        if row is None:
            raise UnknownSimulationError(simulation_id)
        return await asyncio.to_thread(_stored, row)

    async def newest(self, wanted: SimulationFilter, limit: int) -> tuple[SimulationRecord, ...]:
        statement = _filtered(wanted).order_by(
            simulations.c.created_at.desc(), simulations.c.id.desc()
        )
        rows = (await self.connection.execute(statement.limit(limit))).mappings()
        return tuple(_record(row) for row in rows)

    async def sha256(self, simulation_id: str, /) -> str | None:
        wanted = select(simulations.c.document).where(simulations.c.id == simulation_id)
        document = await self.connection.scalar(wanted)
        return None if document is None else digest(orjson.loads(document))

    async def items(self) -> tuple[Item, ...]:
        table = simulations.c
        size = func.length(table.document) + func.length(table.inputs)
        wanted = select(table.id, table.created_at, size.label("bytes"))
        return tuple(
            Item(row.id, row.created_at, row.bytes) for row in await self.connection.execute(wanted)
        )

    async def delete(self, simulation_ids: Collection[str]) -> None:
        for batch in batches(simulation_ids):
            theirs = delete(simulated_components)
            await self.connection.execute(
                theirs.where(simulated_components.c.simulation.in_(batch))
            )
            await self.connection.execute(delete(simulations).where(simulations.c.id.in_(batch)))
        used = select(simulations.c.catalog).where(simulations.c.catalog.is_not(None))
        unused = simulation_catalogs.c.sha256.not_in(used)
        await self.connection.execute(delete(simulation_catalogs).where(unused))

    async def _add_catalog(self, catalog: Catalog | None) -> str | None:
        if catalog is None:
            return None
        document = stable_json(catalog)
        name = sha256(document).hexdigest()
        row = {"sha256": name, "document": document}
        new = insert_into(self.connection, simulation_catalogs).values(row)
        await self.connection.execute(new.on_conflict_do_nothing())
        return name


def _filtered(wanted: SimulationFilter) -> Select[Any]:
    table = simulations.c
    statement = select(*_OF_RECORD)
    if wanted.component is not None:
        theirs = select(simulated_components.c.simulation)
        named = simulated_components.c.component == wanted.component
        statement = statement.where(table.id.in_(theirs.where(named)))
    if wanted.dataset is not None:
        statement = statement.where(table.dataset == wanted.dataset)
    if wanted.since is not None:
        statement = statement.where(table.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(table.created_at < wanted.until)
    if wanted.before is not None:
        at, last = wanted.before.created_at, wanted.before.id
        older = (table.created_at < at) | ((table.created_at == at) & (table.id < last))
        statement = statement.where(older)
    return statement


def _values(simulation: StoredSimulation, catalog: str | None) -> dict[str, Any]:
    record, inputs = simulation.record, simulation.inputs
    return {
        "id": record.id,
        "created_at": record.created_at,
        "created_by": record.created_by,
        "agentguard_version": record.agentguard_version,
        "dataset": record.dataset,
        "graph_version": record.graph_version,
        "catalog": catalog,
        "inputs": stable_json({"request": inputs.request, "thresholds": asdict(inputs.thresholds)}),
        "summary": stable_json(record.summary),
        "document": orjson.dumps(simulation.document),
    }


def _stored(row: RowMapping) -> StoredSimulation:
    inputs: Mapping[str, Any] = orjson.loads(row["inputs"])
    catalog = row["catalog_document"]
    return StoredSimulation(
        _record(row),
        Inputs(
            inputs["request"],
            Thresholds(**inputs["thresholds"]),
            None if catalog is None else _CATALOG.validate_json(catalog),
        ),
        orjson.loads(row["document"]),
    )


def _record(row: RowMapping) -> SimulationRecord:
    return SimulationRecord(
        id=row["id"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        agentguard_version=row["agentguard_version"],
        dataset=row["dataset"],
        graph_version=row["graph_version"],
        summary=orjson.loads(row["summary"]),
    )
