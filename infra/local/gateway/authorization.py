"""Authorization in accounts with shared keys disabled (`allowSharedKeyAccess: false`).

Accepts tokens, and user delegation SASs that only read (the app makes no others), within the roles of their holder or
signer. Azurite checks a token again; a request with a SAS is passed on with the gateway's own rights.
"""

from collections import Counter
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from infra.local.identity.tokens import InvalidTokenError, Principal, TokenIssuer

from .answers import Answer, ServiceError
from .operations import Request
from .roles import ADD_BLOB, CREATES_BLOB, READ_BLOB, Assignments, Service, sufficient_actions
from .upstream import Call, Upstream
from .user_delegation import NOT_SIGNED, UserDelegationKeys, of_version

_OK, _NOT_FOUND = 200, 404
_COPIES = frozenset({"Copy Blob", "Copy Blob From URL"})


class Authorizer:
    """Authorizes requests, or refuses them.

    Attributes:
        roles: the role assignments.
        delegation_keys: the user delegation keys.
        refused: the number of refused requests, by error code.
    """

    def __init__(self, issuer: TokenIssuer, principals: tuple[Principal, ...], roles: Assignments) -> None:
        self.roles = roles
        self.delegation_keys = UserDelegationKeys()
        self.refused: Counter[str] = Counter()
        self._issuer = issuer
        self._names = {principal.object_id: principal.name for principal in principals}

    async def authorize(self, service: Service, call: Call, upstream: Upstream) -> Call:
        """Authorize a request, and return it in the form to pass on.

        Raises:
            ServiceError: NoAuthenticationInformation, InvalidAuthenticationInfo, AuthenticationFailed,
                KeyBasedAuthenticationNotPermitted, AuthorizationPermissionMismatch.
        """
        try:
            by_sas = "sig" in call.request.query
            object_id = self._signer(service, call.request) if by_sas else self._holder(call.request)
            await self._check(service, object_id, call, upstream)
        except ServiceError as error:
            self.refused[error.code] += 1
            raise
        call.request.caller = self._names.get(object_id, object_id)
        return _as_gateway(call, upstream) if by_sas else call

    def note_issued_key(self, call: Call, answer: Answer) -> None:
        """Remember the user delegation key in the answer to a request, if one was issued."""
        if call.request.operation == "Get User Delegation Key" and answer.status == _OK:
            answer.body = of_version(answer.body, call.request.headers["x-ms-version"])
            self.delegation_keys.remember(call.account, answer.body)

    def _holder(self, request: Request) -> str:
        """Return the object id of the principal whose token a request carries."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.startswith("SharedKey"):
            raise _key_based()
        if scheme != "Bearer":
            raise ServiceError(401, "NoAuthenticationInformation", "Server failed to authenticate the request.")
        try:
            return self._issuer.object_id(token)
        except InvalidTokenError:
            message = "Server failed to authenticate the request."
            raise ServiceError(401, "InvalidAuthenticationInfo", message) from None

    def _signer(self, service: Service, request: Request) -> str:
        """Return the object id of the principal that signed the request's SAS."""
        if service != "blob" or "skoid" not in request.query:
            raise _key_based()
        signer = self.delegation_keys.signer(request)
        if "r" not in request.query["sp"] or READ_BLOB not in sufficient_actions(service, request.operation):
            raise _not_permitted()
        return signer

    async def _check(self, service: Service, object_id: str, call: Call, upstream: Upstream) -> None:
        """Require that a principal may make a request."""
        request = call.request
        actions = sufficient_actions(service, request.operation)
        if request.operation in CREATES_BLOB and (await upstream.as_owner("HEAD", call.raw_path)).status != _NOT_FOUND:
            actions = tuple(action for action in actions if action != ADD_BLOB)
        is_snapshot = "snapshot" in request.query
        if not any(self.roles.permit(object_id, action, request.path, is_snapshot=is_snapshot) for action in actions):
            raise _not_permitted()
        if request.operation in _COPIES:
            self._check_source(object_id, request)
        if request.operation == "Get User Delegation Key":
            self.delegation_keys.check_lifetime(call.body)

    def _check_source(self, object_id: str, request: Request) -> None:
        """Require that a principal may read what it copies within one account; from another account it needs a SAS."""
        source = urlsplit(request.headers["x-ms-copy-source"])
        is_by_token = source.path.split("/")[1] == request.path.split("/")[1] and "sig" not in parse_qs(source.query)
        if is_by_token and not self.roles.permit(object_id, READ_BLOB, unquote(source.path)):
            raise _not_permitted()


def _as_gateway(call: Call, upstream: Upstream) -> Call:
    """Replace a request's SAS by the gateway's own authorization."""
    query = {name: value for name, value in call.request.query.items() if name in NOT_SIGNED}
    target = upstream.owners_target(call.raw_path, urlencode(query))
    return Call(call.request, target, call.headers, call.body)


def _key_based() -> ServiceError:
    message = "Key based authentication is not permitted on this storage account."
    return ServiceError(403, "KeyBasedAuthenticationNotPermitted", message)


def _not_permitted() -> ServiceError:
    message = "This request is not authorized to perform this operation using this permission."
    return ServiceError(403, "AuthorizationPermissionMismatch", message)
