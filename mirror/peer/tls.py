"""TLS between nodes: a node's own certificate, and how another's is proved."""

import hashlib
import hmac
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mirror.config.checking import authority_file
from mirror.config.errors import ConfigError
from mirror.config.files import CERTIFICATE_FILE, PRIVATE_KEY_FILE, check_private, write_private
from mirror.peer.channel import Channel, NotTrusted, are_green, greeted

_VALID_DAYS = 3650 * 2
WARN_DAYS = 30
"""Days before its end from which on a certificate is spoken of."""


def make_certificate(directory: Path, node: str, hosts: list[str]) -> str:
    """Make a node's key and self-signed certificate (P-256); returns its fingerprint."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(node)]
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(directory / PRIVATE_KEY_FILE, private.decode())
    write_private(directory / CERTIFICATE_FILE, certificate.public_bytes(serialization.Encoding.PEM).decode())
    return certificate.fingerprint(hashes.SHA256()).hex()


def own_fingerprint(directory: Path) -> str:
    """Return the SHA-256 of a node's certificate in hex.  Raises ConfigError."""
    path = directory / CERTIFICATE_FILE
    try:
        der = ssl.PEM_cert_to_DER_cert(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise _useless(path, error) from None
    return hashlib.sha256(der).hexdigest()


def _useless(path: Path, error: Exception) -> ConfigError:
    why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else error
    return ConfigError(f"{path} is of no use: {why}; 'ctdlmirror cert renew' makes another certificate")


def ending(directory: Path, now: datetime | None = None) -> str:
    """Return what to know of a certificate that ends soon or has ended, or an empty string.  Raises ConfigError."""
    from cryptography import x509

    path = directory / CERTIFICATE_FILE
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise _useless(path, error) from None
    if ends - (now or datetime.now(UTC)) > timedelta(days=WARN_DAYS):
        return ""
    return f"the certificate {path} ends on {ends:%Y-%m-%d}: 'ctdlmirror cert renew' makes another one"


def server_context(directory: Path) -> ssl.SSLContext:
    """Return what a listening node needs for TLS.  Raises ConfigError."""
    check_private(directory / PRIVATE_KEY_FILE)
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(directory / CERTIFICATE_FILE, directory / PRIVATE_KEY_FILE)
    except (OSError, ssl.SSLError) as error:
        raise _useless(directory / CERTIFICATE_FILE, error) from None
    return context


def client_context(trust: str) -> ssl.SSLContext:
    """Return what proves the other side as ``trust`` says; a pin is compared afterwards.  Raises ConfigError."""
    context = _trusting()
    if trust.startswith("pin:"):
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    file = authority_file(trust)
    if file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the CA file {file} cannot be used: {error}") from None
    return context


def fingerprint_of(channel: Channel) -> str:
    """Return the SHA-256 in hex of the certificate that the other side of an encrypted connection shows."""
    return hashlib.sha256(channel.socket.getpeercert(binary_form=True)).hexdigest()


def look_at_certificate(channel: Channel) -> str:
    """Go on encrypted as a client who trusts anybody, and return the fingerprint shown.  Raises ConnectionLost."""
    channel.ask("STLS")
    channel.start_tls(_trusting(), server=False)
    return fingerprint_of(channel)


def shown_by(host: str, port: int, timeout: float) -> str:
    """Return the fingerprint of the certificate that a node shows.  Raises ConnectionLost."""
    shown: list[str] = []
    greeted(host, port, timeout, lambda channel: shown.append(look_at_certificate(channel))).close()
    return shown[0]


def _trusting() -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(protocol: int) -> ssl.SSLContext:
    """Return a context whose connections are of the kind of this process's sockets."""
    if are_green():
        from gevent import ssl as green_ssl

        context: ssl.SSLContext = green_ssl.SSLContext(protocol)
    else:
        context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def secure(channel: Channel, trust: str, hostname: str) -> None:
    """Go on encrypted as a client, and prove the other side.  Raises NotTrusted or ConnectionLost."""
    context = client_context(trust)
    channel.ask("STLS")
    channel.start_tls(context, server=False, hostname=hostname)
    if trust.startswith("pin:"):
        shown = fingerprint_of(channel)
        if not hmac.compare_digest(shown, trust[4:]):
            raise NotTrusted(
                f"{channel.peer} shows a certificate with fingerprint {shown}, expected was {trust[4:]}; "
                "if its certificate was renewed, run 'ctdlmirror peer add' again with the new one"
            )
