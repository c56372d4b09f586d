"""The queue messages between the steps of runs and jobs. They carry no secret, and fit in 64 KiB.

Each names the schema it was written with; what people put on a queue names none.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from pydantic import AwareDatetime, NonNegativeInt, TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import UnreadableError
from shared.model.fields import DiskName
from shared.model.job import JobKind, job_row
from shared.model.names import lease_id
from shared.model.schema import SCHEMA_PROPERTY, require_known, with_schema
from shared.model.validation_errors import describe_findings


class MessageError(UnreadableError):
    """A queue message that no step can have sent."""


@dataclass(frozen=True, kw_only=True)
class Message(ABC):
    """A message from one step to the next."""

    @property
    @abstractmethod
    def about(self) -> dict[str, str]:
        """The fields of every log event about it."""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read a message's body.

        Raises:
            MessageError: the body is not such a message.
            UnknownSchemaError: a newer release wrote it.
        """
        try:
            values = from_json(body)
        except ValueError as error:
            raise MessageError(f"not a {cls.__name__}: the message is not valid JSON: {error}") from None
        if isinstance(values, dict):
            require_known(values, f"a {cls.__name__} of {values.get('disk', 'all disks')}")
            values.pop(SCHEMA_PROPERTY, None)
        try:
            return _adapter(cls).validate_python(values, extra="forbid")
        except ValidationError as error:
            findings = error.errors(include_input=False)
            names = [field.name for field in fields(cls)]
            raise MessageError(f"not a {cls.__name__}: {describe_findings(findings, names)}") from None

    @property
    def body(self) -> str:
        """Write it as JSON."""
        values = with_schema(_adapter(type(self)).dump_python(self, mode="json"))
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


_ADAPTERS: dict[type[Message], TypeAdapter[Any]] = {}


def _adapter[Read: Message](kind: type[Read]) -> TypeAdapter[Read]:
    """Return the adapter that reads and writes a kind of message; each is made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@dataclass(frozen=True, kw_only=True)
class RunMessage(Message):
    """The fields of every message of a run.

    Attributes:
        disk: the disk.
        run: the time of the run's source snapshot.
        plan: the plan of the run that the message belongs to: a run that starts over gets a new one.
    """

    disk: DiskName
    run: str
    plan: int = 0

    def of_plan(self, plan: int) -> Self:
        """Return the same message for another plan of the run."""
        return replace(self, plan=plan)

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk and its run."""
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
    """Open a run and start on its change list; or continue it, if no batch is at work."""


@dataclass(frozen=True, kw_only=True)
class BatchMessage(RunMessage):
    """Continue a run's change list from the position on record.

    Attributes:
        number: the batch's number; a message with any other than the expected one is dropped.
    """

    number: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class FinishMessage(RunMessage):
    """Check a run's progress; seal it once its change list is applied."""


@dataclass(frozen=True, kw_only=True)
class JobMessage(Message):
    """The fields of every message of a job.

    Attributes:
        disk: the disk whose recovery point the job is for; its partition holds the job's row.
    """

    disk: DiskName

    @property
    @abstractmethod
    def kind(self) -> JobKind:
        """The kind of the job."""

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
    """Take a restore one step further.

    Attributes:
        restore: the restore's id.
        request: the request, as JSON, if it could not be recorded yet.
        given_up: whether the message came back from the poison queue: then a restore that has failed for too long
            ends, and the step that kills its worker is not tried again.
    """

    restore: str
    request: str = ""
    given_up: bool = False

    @property
    def kind(self) -> JobKind:
        """The kind of the job."""
        return JobKind.RESTORE

    @property
    def job(self) -> str:
        """The restore's id."""
        return self.restore

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk and the restore."""
        return {"disk": self.disk.name, "restore": self.restore}


@dataclass(frozen=True, kw_only=True)
class InspectedMessage(JobMessage):
    """The fields of every message of a verify or a drill.

    Attributes:
        task: the kind of the job.
        inspection: the inspection's id.
    """

    task: JobKind
    inspection: str

    @property
    def kind(self) -> JobKind:
        """The kind of the job."""
        return self.task

    @property
    def job(self) -> str:
        """The inspection's id."""
        return self.inspection

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk and the inspection."""
        return {"disk": self.disk.name, "inspection": self.inspection}


@dataclass(frozen=True, kw_only=True)
class InspectionMessage(InspectedMessage):
    """Take a verify or a drill one step further.

    Attributes:
        request: the request, as JSON, if it could not be recorded yet.
        given_up: as for a restore.
    """

    request: str = ""
    given_up: bool = False


@dataclass(frozen=True, kw_only=True)
class PartMessage(InspectedMessage):
    """Compare one part of what a verify or a drill compares.

    Attributes:
        part: its number.
    """

    part: NonNegativeInt


@dataclass(frozen=True, kw_only=True)
class IntentMessage(Message):
    """Carry on with an operator's intent that has to wait, could not be recorded, or failed.

    Attributes:
        intent: its id.
        request: what the operator wrote, as JSON.
    """

    intent: str
    request: str

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the intent."""
        return {"intent": self.intent}


@dataclass(frozen=True, kw_only=True)
class TickMessage(Message):
    """Check whether all disks of a tick are backed up.

    Attributes:
        tick: when the timer fired, UTC.
        disks: how many disks to back up; those that could not be found count too.
        absent: how many of them, or of the patterns, could not be found or read; unless 0, the tick does not succeed.
        succeeded: when all were found to be backed up, UTC; after that only the heartbeat is left to call.
    """

    tick: AwareDatetime
    disks: NonNegativeInt
    absent: NonNegativeInt = 0
    succeeded: AwareDatetime | None = None

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the tick."""
        return {"tick": self.tick.isoformat()}


@dataclass(frozen=True, kw_only=True)
class RetentionMessage(Message):
    """Plan which recovery points of a disk go, or go on deleting them.

    Attributes:
        disk: the disk.
    """

    disk: DiskName

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk."""
        return {"disk": self.disk.name}
