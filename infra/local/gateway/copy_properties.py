"""The properties of a copy as clients see them, where Azurite's differ from the service's."""

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
    """The properties that replace Azurite's, by the copy id that Azurite gave.

    Snapshots of the copy have the same id, so they get the same properties, as in the service.
    """

    def __init__(self) -> None:
        self._overrides: dict[str, dict[str, str | None]] = {}

    def set(self, copy_id: str, properties: Mapping[str, str | None]) -> None:
        """Set properties of a copy, by header name; None omits a property."""
        self._overrides.setdefault(copy_id, {}).update(properties)

    def hide(self, copy_id: str) -> None:
        """Omit all properties of a copy."""
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
        """Return a list of blobs with the copies' properties replaced."""
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
