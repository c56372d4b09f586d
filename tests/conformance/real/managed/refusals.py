"""What Azure Resource Manager refuses: with which code, and for want of which action."""

import re
from collections.abc import Awaitable

from azure.core.exceptions import AzureError, HttpResponseError

from shared.azure.answers import error_code

_MISSING_ROLE = frozenset({"AuthorizationFailed", "LinkedAuthorizationFailed"})
# "… to perform action 'A' over scope …"; where something is made of a disk, the last one named is the one that lacks.
_ACTION = re.compile(r"perform action(?:\(s\))? '([\w./]+)'")


def missing_action(error: BaseException) -> str:
    """Name the action that no role of the identity has, such as `Microsoft.Compute/disks/write`.

    It is empty if that is not what the error says.
    """
    if not isinstance(error, AzureError) or error_code(error) not in _MISSING_ROLE:
        return ""
    said = getattr(getattr(error, "error", None), "message", None) or str(error)
    return str((_ACTION.findall(str(said)) or ["an action that Azure did not name"])[-1])


def refused(error: HttpResponseError) -> str:
    """Say how a request was refused: the status and the code."""
    return f"{error.status_code} {error_code(error)}".strip()


async def tried(request: Awaitable[object]) -> str:
    """Make a request that may be refused; give how it was, or nothing.

    Raises:
        HttpResponseError: it was refused for want of a role, which settles nothing.
    """
    try:
        await request
    except HttpResponseError as error:
        if missing_action(error):
            raise
        return refused(error)
    return ""
