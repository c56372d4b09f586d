"""Who may call the resource manager: its tokens, and the actions that roles permit at scopes.

Azure Resource Manager, "Troubleshoot Azure RBAC" (AuthorizationFailed, LinkedAuthorizationFailed).
"""

from infra.local.gateway.roles import Assignment, Assignments, Role
from infra.local.identity.tokens import MANAGEMENT, InvalidTokenError, Principal, TokenIssuer

from .arm_errors import ArmError
from .arm_request import PROVIDER

_HINT = "If access was recently granted, please refresh your credentials."


class Roles:
    """Recognizes callers, and checks what they may do.

    Attributes:
        audiences: the resources of tokens that are let in.
    """

    def __init__(self, issuer: TokenIssuer, principals: tuple[Principal, ...]) -> None:
        self.audiences = {MANAGEMENT, f"{MANAGEMENT}/"}
        self._issuer = issuer
        self._principals = {principal.object_id: principal for principal in principals}
        self._assignments = Assignments()

    def give(self, principal: Principal, role: Role, scope: str) -> Assignment:
        """Assign a role at a scope, an id in any case; "" is everywhere."""
        self._principals[principal.object_id] = principal
        assignment = Assignment(principal, role, scope.rstrip("/").lower())
        self._assignments.given.append(assignment)
        return assignment

    def take(self, assignment: Assignment) -> None:
        """Take an assigned role away."""
        self._assignments.given.remove(assignment)

    def clear(self) -> None:
        """Take all roles away."""
        self._assignments.given.clear()

    def caller(self, authorization: str | None) -> Principal:
        """Return who makes a request.

        Raises:
            ArmError: there is no token, or none that serves.
        """
        if authorization is None:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise _unauthenticated("AuthenticationFailed", message)
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer":
            message = "Authentication failed. The 'Authorization' header is provided in an invalid format."
            raise _unauthenticated("AuthenticationFailedInvalidHeader", message)
        claims = self._issuer.issued.get(token)
        if claims is not None and claims["aud"] not in self.audiences:
            message = f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. It should"
            allowed = ",".join(f"'{audience}'" for audience in sorted(self.audiences))
            more = f"exactly match with one of the allowed audiences {allowed}."
            raise _unauthenticated("InvalidAuthenticationTokenAudience", f"{message} {more}")
        try:
            return self._principals[self._issuer.object_id(token, frozenset(self.audiences))]
        except (InvalidTokenError, KeyError):
            raise _unauthenticated("InvalidAuthenticationToken", "The access token is invalid.") from None

    def permit(self, object_id: str, action: str, scope: str) -> bool:
        """Return whether a principal may do "disks/read" and the like at a scope."""
        return self._assignments.permit(object_id, f"{PROVIDER}/{action}", scope.lower())

    def require(self, principal: Principal, action: str, scope: str) -> None:
        """Require that a principal may do what it asks for.

        Raises:
            ArmError: AuthorizationFailed, naming action and scope.
        """
        if not self.permit(principal.object_id, action, scope):
            message = f"{_client(principal)} does not have authorization to perform action '{PROVIDER}/{action}' over"
            raise ArmError(403, "AuthorizationFailed", f"{message} scope '{scope}' or the scope is invalid. {_HINT}")

    def require_linked(self, principal: Principal, action: str, scope: str, linked: str, at: str) -> None:
        """Require that a principal may do `linked` at `at`, which `action` at `scope` needs too.

        Raises:
            ArmError: LinkedAuthorizationFailed.
        """
        if not self.permit(principal.object_id, linked, at):
            message = (
                f"{_client(principal)} has permission to perform action '{PROVIDER}/{action}' on scope '{scope}'; "
                f"however, it does not have permission to perform action(s) '{PROVIDER}/{linked}' on the linked "
                f"scope(s) '{at}' (respectively) or the linked scope(s) are invalid."
            )
            raise ArmError(403, "LinkedAuthorizationFailed", message)


def _client(principal: Principal) -> str:
    return f"The client '{principal.client_id}' with object id '{principal.object_id}'"


def _unauthenticated(code: str, message: str) -> ArmError:
    why = f'error="invalid_token", error_description="{message}"'
    challenge = f'Bearer authorization_uri="https://login.windows.net/common", {why}'
    return ArmError(401, code, message, headers={"WWW-Authenticate": challenge})
