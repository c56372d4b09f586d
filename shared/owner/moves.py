"""A backup container that was changed without a word: no disk's backups go on in another container by mistake."""

from shared.azure.services import Services
from shared.errors import DiskError
from shared.model.container_moves import move_problem
from shared.model.record import DiskRecord


def require_intended_move(services: Services, record: DiskRecord) -> None:
    """Require that a disk's backups are in the backup container, or that the settings name the one they were in.

    Raises:
        DiskError: they are in another one.
    """
    settings = services.settings
    if problem := move_problem(record, settings.container, settings.moved_from):
        raise DiskError(problem)
