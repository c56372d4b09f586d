"""The rows of restores."""

from azure.data.tables.aio import TableClient

from shared.azure.tables.job_rows import Rows
from shared.model.addresses import BlobAddress
from shared.model.restore import ENDS, Restore, row_key


class Restores(Rows[Restore]):
    """Access to the rows of restores."""

    def __init__(self, table: TableClient) -> None:
        super().__init__(table, Restore, [row_key("")], ENDS)

    async def get(self, disk: BlobAddress, restore: str) -> tuple[Restore, str] | None:
        """Read a restore and its ETag; None where there is none."""
        return await self.find(disk, row_key(restore))
