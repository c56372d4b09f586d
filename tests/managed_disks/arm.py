"""The resource manager as plain HTTP reaches it."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp

from infra.local.managed_disks import API_VERSION, GROUP, SUBSCRIPTION, Disk

RG = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute"


@dataclass(frozen=True)
class Answered:
    """An answer: its status, headers and JSON; {} for none."""

    status: int
    headers: Any
    body: Any = field(default_factory=dict)

    @property
    def error(self) -> tuple[int, str]:
        """The status and the code of an error."""
        return self.status, self.body["error"]["code"]


class Arm:
    """The resource manager."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.url = url
        self._http = http
        self.authorization = f"Bearer {token}"

    async def call(self, method: str, path: str, body: Any = None, **given: Any) -> Answered:
        """Call it at a path, or at a URL that it gave."""
        url = path if path.startswith("https:") else f"{self.url}{path}"
        if "api-version=" not in url:
            url += f"{'&' if '?' in url else '?'}api-version={API_VERSION}"
        options: dict[str, Any] = {"headers": {"Authorization": self.authorization}, **given}
        async with self._http.request(method, url, json=body, **options) as answer:
            text = await answer.read()
            return Answered(answer.status, answer.headers, await answer.json() if text else {})

    async def get(self, path: str) -> Answered:
        return await self.call("GET", path)

    async def properties(self, path: str) -> dict[str, Any]:
        """GET a resource; give its properties."""
        answered = await self.get(path)
        assert answered.status == 200, answered.body
        return dict(answered.body["properties"])

    async def put_snapshot(
        self, name: str, disk: Disk, *, tags: dict[str, str] | None = None, **other: Any
    ) -> Answered:
        body = {
            "location": disk.location,
            "tags": tags or {},
            "properties": {
                "creationData": {"createOption": "Copy", "sourceResourceId": disk.id.text},
                "incremental": True,
                "networkAccessPolicy": "AllowAll",
                "publicNetworkAccess": "Enabled",
                **other,
            },
        }
        return await self.call("PUT", f"{RG}/snapshots/{name}", body)

    async def snapshot(self, name: str, disk: Disk) -> str:
        """Take a snapshot; give its path."""
        answered = await self.put_snapshot(name, disk)
        assert answered.status == 202, answered.body
        assert (await self.ended(answered))["status"] == "Succeeded"
        return f"{RG}/snapshots/{name}"

    async def ended(self, answered: Answered) -> dict[str, Any]:
        """Look at the operation that an answer began, once; give its status."""
        return dict((await self.get(answered.headers["Azure-AsyncOperation"])).body)

    async def begin(self, path: str, access: str = "Read", seconds: int = 3600) -> Answered:
        body = {"access": access, "durationInSeconds": seconds}
        return await self.call("POST", f"{path}/beginGetAccess", body)

    async def sas(self, path: str, access: str = "Read", seconds: int = 3600) -> str:
        """Grant access; give the SAS URL."""
        answered = await self.begin(path, access, seconds)
        assert answered.status == 202, answered.body
        return str((await self.ended(answered))["properties"]["output"]["accessSAS"])

    async def end(self, path: str) -> Answered:
        return await self.call("POST", f"{path}/endGetAccess")
