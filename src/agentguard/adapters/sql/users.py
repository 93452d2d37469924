"""Users in the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.accounts.roles import Role
from agentguard.accounts.users import Subject, User, name_key
from agentguard.adapters.sql.tables import user_sessions, users
from agentguard.adapters.sql.upserts import insert_into


@dataclass(frozen=True, slots=True)
class SqlUsers:
    """Users over one transaction."""

    connection: AsyncConnection

    async def find(self, user_id: str) -> User | None:
        return await self._only(users.c.id == user_id)

    async def named(self, name: str) -> User | None:
        return await self._only(users.c.name_key == name_key(name))

    async def of_subject(self, subject: Subject) -> User | None:
        return await self._only(
            (users.c.issuer == subject.issuer) & (users.c.subject == subject.name)
        )

    async def any(self) -> bool:
        return await self.connection.scalar(select(users.c.id).limit(1)) is not None

    async def admins(self) -> int:
        counted = select(func.count()).where(users.c.role == Role.ADMIN.value)
        return (await self.connection.execute(counted)).scalar_one()

    async def oldest(self, limit: int, *, after: str | None = None) -> tuple[User, ...]:
        statement = select(users).order_by(users.c.created_at, users.c.id)
        if after is not None:
            last = await self.find(after)
            if last is None:
                return ()
            place = tuple_(users.c.created_at, users.c.id)
            statement = statement.where(place > (last.created_at, last.id))
        found = await self.connection.execute(statement.limit(limit))
        return tuple(_user(row) for row in found.mappings())

    async def put(self, user: User) -> None:
        subject = user.subject
        values = {
            "id": user.id,
            "name": user.name,
            "name_key": name_key(user.name),
            "role": user.role.value,
            "created_at": user.created_at,
            "created_by": user.created_by,
            "generation": user.generation,
            "password_hash": user.password_hash,
            "issuer": None if subject is None else subject.issuer,
            "subject": None if subject is None else subject.name,
            "signed_in_at": user.signed_in_at,
        }
        new = insert_into(self.connection, users).values(values)
        changed = {name: new.excluded[name] for name in values if name != "id"}
        await self.connection.execute(
            new.on_conflict_do_update(index_elements=[users.c.id], set_=changed)
        )

    async def remove(self, user_id: str) -> None:
        await self.connection.execute(
            delete(user_sessions).where(user_sessions.c.user_id == user_id)
        )
        await self.connection.execute(delete(users).where(users.c.id == user_id))

    async def _only(self, condition: ColumnElement[bool]) -> User | None:
        found = await self.connection.execute(select(users).where(condition))
        row = found.mappings().first()
        return None if row is None else _user(row)


def _user(row: RowMapping) -> User:
    issuer = row["issuer"]
    return User(
        row["id"],
        row["name"],
        Role(row["role"]),
        row["created_at"],
        row["created_by"],
        row["generation"],
        row["password_hash"],
        None if issuer is None else Subject(issuer, row["subject"]),
        row["signed_in_at"],
    )
