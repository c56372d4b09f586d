"""Which commands of the docs a local Azure can answer: those of the Azure CLI that ask a storage account for data."""

from tests.docs.commands import Command

DATA = {("storage", "message"), ("storage", "entity"), ("storage", "blob"), ("storage", "queue"), ("storage", "table")}


def is_local(command: Command) -> bool:
    """Tell whether the local Azure can answer a command."""
    return command.program == "az" and command.arguments[:2] in DATA and "--auth-mode" in command.arguments
