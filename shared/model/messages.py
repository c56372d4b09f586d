"""The messages on the queues between the steps of a run or a restore. They carry no secret, and fit in 64 KiB.

Each says by which schema it was written; what people put on a queue says none.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

from pydantic import AwareDatetime, NonNegativeInt, TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import UnreadableError
from shared.model.fields import DiskName
from shared.model.job import JobKind, job_row
from shared.model.names import lease_id
from shared.model.schema import SCHEMA_PROPERTY, require_known, with_schema


class MessageError(UnreadableError):
    """A queue message that no step has sent."""


@dataclass(frozen=True, kw_only=True)
class Message(ABC):
    """What one step tells the next."""

    @property
    @abstractmethod
    def about(self) -> dict[str, str]:
        """What each line of the log about it says."""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            MessageError: the body is not such a message.
            UnknownSchemaError: a newer release wrote it.
        """
        try:
            told = from_json(body)
        except ValueError as error:
            raise MessageError(f"not a {cls.__name__}: invalid JSON: {error}") from None
        if isinstance(told, dict):
            require_known(told, f"a {cls.__name__} of {told.get('disk', 'all disks')}")
            told.pop(SCHEMA_PROPERTY, None)
        try:
            return _adapter(cls).validate_python(told, extra="forbid")
        except ValidationError as error:
            raise MessageError(f"not a {cls.__name__}: {mistakes(error)}") from None

    @property
    def body(self) -> str:
        """Write it as JSON."""
        told = with_schema(_adapter(type(self)).dump_python(self, mode="json"))
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


_ADAPTERS: dict[type[Message], TypeAdapter[Any]] = {}


def _adapter[Read: Message](kind: type[Read]) -> TypeAdapter[Read]:
    """Give what reads and writes a kind of message; it is made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def mistakes(error: ValidationError) -> str:
    """Say what is wrong with a message, without repeating what it holds."""
    return "; ".join(
        f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}" for mistake in error.errors(include_input=False)
    )


@dataclass(frozen=True, kw_only=True)
class RunMessage(Message):
    """What every message of a run says.

    Attributes:
        disk: the disk.
        run: the time of the run's source snapshot.
        plan: which plan of the run the message belongs to: a run that has to begin anew gets another.
    """

    disk: DiskName
    run: str
    plan: int = 0

    def of_plan(self, plan: int) -> Self:
        """Give the same message for another plan of the run."""
        return replace(self, plan=plan)

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, and its run."""
        return {"disk": self.disk.name, "run": self.run}

    @property
    def lease_id(self) -> str:
        """The lease id of the run's plan."""
        return lease_id(self.run_id, self.plan)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.disk.run_id(self.run)


@dataclass(frozen=True, kw_only=True)
class PlanMessage(RunMessage):
    """Open a run, and begin with its change list; or go on with it, where nobody is at it."""


@dataclass(frozen=True, kw_only=True)
class BatchMessage(RunMessage):
    """Go on with a run's change list, from where the record says that it is applied.

    Attributes:
        number: the batch's number; one that the record does not wait for is dropped.
    """

    number: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class FinishMessage(RunMessage):
    """Look how far a run is; seal it when its change list is applied."""


@dataclass(frozen=True, kw_only=True)
class JobMessage(Message):
    """What every message of a job says.

    Attributes:
        disk: the disk whose recovery point the job is about; its partition holds the job's row.
    """

    disk: DiskName

    @property
    @abstractmethod
    def kind(self) -> JobKind:
        """What is done."""

    @property
    @abstractmethod
    def job(self) -> str:
        """The job's id."""

    @property
    def row_key(self) -> str:
        """The job's row."""
        return job_row(self.kind, self.job)


@dataclass(frozen=True, kw_only=True)
class RestoreMessage(JobMessage):
    """Go on with a restore: one step at a time.

    Attributes:
        restore: the restore's id.
        request: the request, as JSON, where it could not be put on record yet.
        given_up: whether the queue has given up the message before: then a restore that is out of patience ends, and
            the step that nobody has come back from is not tried again.
    """

    restore: str
    request: str = ""
    given_up: bool = False

    @property
    def kind(self) -> JobKind:
        """What is done."""
        return JobKind.RESTORE

    @property
    def job(self) -> str:
        """The restore's id."""
        return self.restore

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, and the restore."""
        return {"disk": self.disk.name, "restore": self.restore}


@dataclass(frozen=True, kw_only=True)
class InspectedMessage(JobMessage):
    """What every message of a verify or a drill says.

    Attributes:
        task: what is done.
        inspection: the inspection's id.
    """

    task: JobKind
    inspection: str

    @property
    def kind(self) -> JobKind:
        """What is done."""
        return self.task

    @property
    def job(self) -> str:
        """The inspection's id."""
        return self.inspection

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, and the inspection."""
        return {"disk": self.disk.name, "inspection": self.inspection}


@dataclass(frozen=True, kw_only=True)
class InspectionMessage(InspectedMessage):
    """Go on with a verify or a drill.

    Attributes:
        request: the request, as JSON, where it could not be put on record yet.
        given_up: as of a restore.
    """

    request: str = ""
    given_up: bool = False


@dataclass(frozen=True, kw_only=True)
class PartMessage(InspectedMessage):
    """Compare one part of what is inspected.

    Attributes:
        part: its number.
    """

    part: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class TickMessage(Message):
    """Look whether all disks of a tick are backed up.

    Attributes:
        tick: when the timer went off, UTC.
        disks: how many disks were to be backed up; those that could not even be found count too.
        succeeded: when all were found to be, UTC; from then on only the heartbeat is to be called.
    """

    tick: AwareDatetime
    disks: NonNegativeInt
    succeeded: AwareDatetime | None = None

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the tick."""
        return {"tick": self.tick.isoformat()}
