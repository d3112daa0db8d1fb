"""Content Credentials in files: who vouches that a model made them; it does not know how a record is written.

They are signed as C2PA (https://spec.c2pa.org) says, by c2pa-python, and without a network: there is no time stamp
of an authority, so a signature can be checked as long as the certificate is valid.
"""

import io
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never

import PIL.Image

from unison_agent.errors import MissingDependencyError, OutputError
from unison_agent.replay import Record, digest
from unison_agent.tasks import GrantedCustom, ImageEditing, VideoEditing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

MIME_TYPES = {
    ".png": "image/png",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".gif": "image/gif",
}
RECORD_LABEL = "org.unison-agent.record"
_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_MIXED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_CHAIN = "It holds PEM certificates, the signer's own first, then those that vouch for it."


class Signer:
    """Signs files that `Result.save` writes.

    A file that is signed says that a model made it, and the SHA-256 of its record. Its certificate must be one
    for signing, such as with the purpose emailProtection. Whether readers trust it, their own lists say.

    Args:
        key: The private key, PEM, not encrypted: EC P-256, P-384 or P-521, Ed25519 or RSA. It is kept in memory
            alone: no record, message or pickle holds it.
        certificates: PEM, the signer's own first, then those that vouch for it.

    Raises:
        OutputError: One of the two cannot be read or used, or they do not belong together.
        MissingDependencyError: c2pa-python is not installed.
    """

    def __init__(self, key: str | Path | bytes, certificates: str | Path | bytes) -> None:
        self._c2pa: Any = _imported("c2pa")
        _imported("cryptography")  # which c2pa-python brings along
        private = _private_key(_pem(key, "private key"))
        self._certificates = _pem(certificates, "certificate")
        own = _own_certificate(self._certificates)
        self._name = own.subject.rfc4514_string()
        if private.public_key() != own.public_key():
            msg = f"The private key is not the one of the certificate {self._name}."
            raise OutputError(msg, hint=_CHAIN)
        if not own.not_valid_before_utc <= datetime.now(UTC) <= own.not_valid_after_utc:
            span = f"{own.not_valid_before_utc:%Y-%m-%d} to {own.not_valid_after_utc:%Y-%m-%d}"
            raise OutputError(f"The certificate {self._name} is valid from {span}, not today.")
        self._algorithm = _algorithm(private)
        self._key = _pkcs8(private)
        self._sign(
            _smallest_png(), ".png", _MADE, {}
        )  # so that nothing is refused after minutes of work

    def __repr__(self) -> str:
        return f"Signer({self._name!r})"

    def __reduce__(self) -> Never:
        raise TypeError("A Signer holds a private key and is not pickled.")

    def signed(self, data: bytes, suffix: str, record: Record) -> bytes:
        """Return a file with credentials inside; what changes it later breaks them.

        Args:
            data: The file, its record inside.
            suffix: Of a picture or a clip.
            record: How it was made.

        Raises:
            OutputError: The suffix is of another kind of file, or a tool of the user's own made it, of which
                nobody here knows whether a model did.
        """
        check_suffix(suffix)
        granted = record.granted[record.step - 1]
        if isinstance(granted, GrantedCustom):
            raise not_signed(granted.tool)
        call = record.plan.steps[record.step - 1]
        keeps = isinstance(call, ImageEditing | VideoEditing)
        about = {"sha256": digest(record), "schema_version": record.schema_version}
        return self._sign(data, suffix, _MIXED if keeps else _MADE, {RECORD_LABEL: about})

    def _sign(
        self, data: bytes, suffix: str, source_type: str, more: Mapping[str, object]
    ) -> bytes:
        c2pa = self._c2pa
        agent = {"name": "unison-agent", "version": version("unison-agent")}
        created = {
            "action": "c2pa.created",
            "digitalSourceType": source_type,
            "softwareAgent": agent,
        }
        assertions = {"c2pa.actions.v2": {"actions": [created]}, **more}
        manifest = {
            "claim_generator_info": [agent],
            "assertions": [{"label": name, "data": one} for name, one in assertions.items()],
        }
        out = io.BytesIO()
        try:
            algorithm = c2pa.C2paSigningAlg[self._algorithm]
            info = c2pa.C2paSignerInfo(algorithm, self._certificates, self._key, None)
            # A thumbnail would be many times as large as the rest.
            plain = {"builder": {"thumbnail": {"enabled": False}}}
            with (
                closing(c2pa.Context.from_dict(plain)) as context,
                closing(c2pa.Signer.from_info(info)) as signer,
                closing(c2pa.Builder(json.dumps(manifest), context=context)) as builder,
            ):
                builder.sign(signer, MIME_TYPES[suffix], io.BytesIO(data), out)
        except c2pa.C2paError as error:
            msg = f"{self._name} cannot sign {suffix}: {str(error).removesuffix('.')}."
            hint = "The certificate needs the key usage digitalSignature and a purpose such as emailProtection."
            raise OutputError(msg, hint=f"{hint} {_CHAIN}") from error
        return out.getvalue()


def check_suffix(suffix: str) -> None:
    """Find out before any work whether a file can be signed.

    Raises:
        OutputError: It is no picture or clip.
    """
    if suffix not in MIME_TYPES:
        msg = f"{suffix} cannot be signed."
        raise OutputError(msg, hint=f"Only pictures and clips can: {', '.join(MIME_TYPES)}.")


def not_signed(tool: str) -> OutputError:
    """Return the error of what a tool of the user's own made."""
    msg = f"What {tool} makes is not signed: whether a model makes it, its function alone knows."
    return OutputError(msg, hint="Save it unsigned; c2pa can sign it as what it is.")


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError("c2pa-python", extra="c2pa") from error


def _pem(source: str | Path | bytes, what: str) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except OSError as error:
        msg = f"The {what} cannot be read: {error.strerror or error} ({source})."
        raise OutputError(msg, hint="Name a PEM file.") from error


def _private_key(pem: bytes) -> "PrivateKeyTypes":
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, password=None)
    except TypeError as error:
        hint = "Write it decrypted to a place of its own: openssl pkcs8 -in KEY -out PLAIN."
        raise OutputError("The private key is encrypted.", hint=hint) from error
    except Exception as error:  # it has several for what is no key, or not one it knows
        msg = "The private key cannot be used: it is no PEM, or of a kind that is not known."
        raise OutputError(msg, hint="Its first line says BEGIN PRIVATE KEY.") from error


def _own_certificate(pem: bytes) -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise OutputError("The certificate cannot be used: it is no PEM.", hint=_CHAIN) from error


def _algorithm(private: "PrivateKeyTypes") -> str:
    """Return what c2pa calls the way to sign with a key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match private:
        case ec.EllipticCurvePrivateKey() if private.curve.name in _CURVES:
            return _CURVES[private.curve.name]
        case ed25519.Ed25519PrivateKey():
            return "ED25519"
        case rsa.RSAPrivateKey():
            return "PS256"
        case _:
            msg = "Nothing is signed with a private key of this kind."
            raise OutputError(msg, hint="Use EC P-256, P-384 or P-521, Ed25519 or RSA.")


def _pkcs8(private: "PrivateKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _smallest_png() -> bytes:
    out = io.BytesIO()
    PIL.Image.new("L", (1, 1)).save(out, "PNG")
    return out.getvalue()
