"""The properties of a copy as clients see them, where Azurite's are not those of the service."""

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


class CopyPropertyOverrides:
    """The properties that take the place of Azurite's, by the id that Azurite gave the copy.

    Snapshots of the copy carry that id too, so they get the same properties, as the service's do.
    """

    def __init__(self) -> None:
        self._overrides: dict[str, dict[str, str | None]] = {}

    def set(self, copy_id: str, properties: Mapping[str, str | None]) -> None:
        """Set properties of a copy, by the names of their headers; None leaves one out."""
        self._overrides.setdefault(copy_id, {}).update(properties)

    def hide(self, copy_id: str) -> None:
        """Leave all properties of a copy out."""
        self._overrides[copy_id] = dict.fromkeys(_ELEMENTS)

    def apply_to_headers(self, headers: CIMultiDict[str]) -> None:
        """Replace the copy's properties in the headers of an answer about a blob."""
        if "x-ms-copy-source" not in headers:
            return
        for name, value in self._overrides.get(headers.get("x-ms-copy-id", ""), {}).items():
            headers.popall(name, None)
            if value is not None:
                headers[name] = value

    def apply_to_list(self, body: bytes) -> bytes:
        """Replace the copies' properties in a list of blobs; gives the body so changed."""
        if b"<CopyId>" not in body:
            return body
        return _PROPERTIES.sub(self._properties, body.decode()).encode()

    def _properties(self, found: re.Match[str]) -> str:
        xml = found.group()
        if (copy_id := _COPY_ID.search(xml)) is None:
            return xml
        for name, value in self._overrides.get(copy_id.group(1), {}).items():
            element = _ELEMENTS[name]
            xml = re.sub(rf"<{element}>.*?</{element}>|<{element} ?/>", "", xml, flags=re.DOTALL)
            if value is not None:
                xml = xml.replace("</Properties>", f"<{element}>{escape(value)}</{element}></Properties>")
        return xml
