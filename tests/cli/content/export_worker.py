"""Exports in a process of its own, which a test kills."""

import asyncio
import os
import sys
from pathlib import Path

from shared.model.addresses import BlobAddress
from shared.model.version import BlobVersion
from tidemark.content.access import open_reader
from tidemark.content.export import Tuning, export


async def main(connection: str, url: str, snapshot: str, target: str, window: str) -> None:
    identity = os.environ.get("AzureWebJobsStorage__clientId", "")  # noqa: SIM112 - as the app's setting is spelled
    async with open_reader([connection] if connection else [], client_id=identity) as reader:
        version = BlobVersion(BlobAddress.parse(url), snapshot)
        await export(reader, version, Path(target), tuning=Tuning(window=int(window), save_every=0), at_once=2)


asyncio.run(main(*sys.argv[1:]))
