"""The certificates of a local Azure: its own authority, and the certificate of its servers."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM form.

    Attributes:
        authority: the authority's certificate, for clients to trust.
        certificate: the servers' certificate, for 127.0.0.1 and localhost.
        key: its private key.
    """

    authority: Path
    certificate: Path
    key: Path

    def for_servers(self) -> ssl.SSLContext:
        """Make a server's TLS context."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def for_clients(self) -> ssl.SSLContext:
        """Make a client's TLS context that trusts only the servers."""
        return ssl.create_default_context(cafile=self.authority)


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and the servers' certificate; the authority's own key is not kept."""
    made = Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(made.authority)
    server.private_key_pem.write_to_path(made.key)
    for part in server.cert_chain_pems:
        part.write_to_path(made.certificate, append=True)
    return made
