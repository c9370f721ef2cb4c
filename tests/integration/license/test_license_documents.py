"""Documents brought to a running license service: what is refused and why, and a mounted file that changes under it."""

from __future__ import annotations

import base64
import json
import time
from functools import partial
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from license_cluster import KEY, LicenseCluster, license, license_cluster, until

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import LicenseStatus
from rillcast.licensing.document import License, issue_license

YEAR_S = 365 * 86_400


def tampered() -> str:
    head, payload, signature = license(2).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["limits"]["total"] = 999
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


def refused_documents() -> dict[str, tuple[str, str]]:
    """By the reason in the metric, for installing: the document and words of the answer."""
    now = int(time.time())
    other = License(license_id="x", licensee="X", limit_total=5, issued_at_s=now)
    return {
        "signature": (tampered(), "changed since it was signed, or by another key"),
        "algorithm": (jwt.encode({"sub": "me", "limits": {"total": 9}}, "", algorithm="none"), "'none'; only EdDSA"),
        "future": (license(5, not_before_s=now + YEAR_S, not_after_s=now + 2 * YEAR_S), "not valid yet"),
        "expired": (license(5, not_before_s=1, not_after_s=2, grace_s=0), "have expired"),
        "malformed": ("hello", "three parts"),
        "too_large": ("a" * 200_000, "at most 16384 bytes, this has 200000"),
        "claims": (jwt.encode({"jti": "x"}, KEY, algorithm="EdDSA"), "sub"),
        "wrong key": (issue_license(other, Ed25519PrivateKey.generate()), "by another key"),
    }


async def test_a_refused_document_is_named_counted_and_leaves_the_license_in_force() -> None:
    async with license_cluster() as c:
        service = await c.start("license-1")
        await c.status()
        await c.install(license(4))
        for reason, (document, words) in refused_documents().items():
            with pytest.raises(RillcastError) as caught:
                await c.install(document)
            assert words in caught.value.message, reason
            assert document[:60] not in caught.value.message or document == "hello"
            status = await c.status()
            assert (status.license_id, status.state, status.limit_total) == ("acme-4", "valid", 4)
        assert await refusals(c, service.admin) == {
            "signature": 2,
            "algorithm": 1,
            "future": 1,
            "expired": 1,
            "malformed": 1,
            "too_large": 1,
            "claims": 1,
        }
        assert "Traceback" not in service.log

        huge = c.folder / "huge.jwt"
        huge.write_bytes(b"a" * 50_000_000)
        code, said = await c.command("license", "install", str(huge))
        assert (code, "license refused: a license has at most 16384 bytes" in said, "Traceback" in said) == (
            1,
            True,
            False,
        )


async def refusals(c: LicenseCluster, admin: str) -> dict[str, float]:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as http:
        lines = (await http.get(admin + "/metrics")).text.splitlines()
    name = 'rillcast_license_documents_refused_total{reason="'
    return {line[len(name) :].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)}


async def test_a_mounted_file_that_changes_and_breaks_is_followed_without_a_restart() -> None:
    async with license_cluster() as c:
        mounted = c.folder / "mounted.jwt"
        service = await c.start("license-1", file=mounted)
        other = await c.start("license-2")
        first = await c.status()
        assert (first.community, first.limit_total, first.reason) == (True, 32, "")

        replace(mounted, license(3))
        await both_show(c, "acme-3")
        replace(mounted, license(5, issued_at_s=int(time.time()) + 1))
        await both_show(c, "acme-5")
        replace(mounted, "nonsense")

        async def warned() -> bool:
            return await service.metric("rillcast_license_warning") == 1

        await until(warned, "the broken file is a warning")
        assert "mounted.jwt" in service.log
        await c.shows(lambda s: s.answered_by == "license-1" and "three parts" in s.reason, "the status names the file")
        assert (await c.status()).license_id == "acme-5"
        assert await other.metric("rillcast_license_warning") == 0
        for process in (service, other):
            await process.ready()


def replace(path: Path, document: str) -> None:
    """In one step, as a Kubernetes secret is."""
    fresh = path.with_suffix(".new")
    fresh.write_text(document)
    fresh.rename(path)


def _shows(name: str, license_id: str, status: LicenseStatus) -> bool:
    return (status.answered_by, status.license_id) == (name, license_id)


async def both_show(c: LicenseCluster, license_id: str) -> None:
    for name in ("license-1", "license-2"):
        await c.shows(partial(_shows, name, license_id), f"{license_id} at {name}")
