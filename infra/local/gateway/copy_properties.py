"""What clients are told of a copy, where that is not what Azurite says of it."""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from multidict import CIMultiDict

_ELEMENTS = {
    "x-ms-copy-id": "CopyId",
    "x-ms-copy-source": "CopySource",
    "x-ms-copy-status": "CopyStatus",
    "x-ms-copy-progress": "CopyProgress",
    "x-ms-copy-completion-time": "CopyCompletionTime",
    "x-ms-copy-status-description": "CopyStatusDescription",
}
_PROPERTIES = re.compile(r"<Properties>.*?</Properties>", re.DOTALL)
_COPY_ID = re.compile(r"<CopyId>(.*?)</CopyId>")


class ToldCopies:
    """What is told of each copy, by the id that Azurite gave it.

    Snapshots of the copy carry that id too, so they are told of as the service would.
    """

    def __init__(self) -> None:
        self._told: dict[str, dict[str, str | None]] = {}

    def tell(self, copy_id: str, told: Mapping[str, str | None]) -> None:
        """From now on tell this of a copy, by the names of the headers; None tells nothing."""
        self._told.setdefault(copy_id, {}).update(told)

    def forget(self, copy_id: str) -> None:
        """From now on tell nothing of a copy."""
        self._told[copy_id] = dict.fromkeys(_ELEMENTS)

    def in_headers(self, headers: CIMultiDict[str]) -> None:
        """Put it into the headers of an answer that tells of a blob."""
        if "x-ms-copy-source" not in headers:
            return
        for name, value in self._told.get(headers.get("x-ms-copy-id", ""), {}).items():
            headers.popall(name, None)
            if value is not None:
                headers[name] = value

    def in_list(self, body: bytes) -> bytes:
        """Put it into a list of blobs; gives the body so changed."""
        if b"<CopyId>" not in body:
            return body
        return _PROPERTIES.sub(self._properties, body.decode()).encode()

    def _properties(self, found: re.Match[str]) -> str:
        xml = found.group()
        if (copy_id := _COPY_ID.search(xml)) is None:
            return xml
        for name, value in self._told.get(copy_id.group(1), {}).items():
            element = _ELEMENTS[name]
            xml = re.sub(rf"<{element}>.*?</{element}>|<{element} ?/>", "", xml, flags=re.DOTALL)
            if value is not None:
                xml = xml.replace("</Properties>", f"<{element}>{escape(value)}</{element}></Properties>")
        return xml
