"""Which license is in force: files that come, change and break; installs; clocks."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import LicenseState
from rillcast.licensing.document import License, issue_license
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue
from services.license.usecases.license_vault import LicenseVault

DAY = 86_400
KEY = Ed25519PrivateKey.generate()
ACME = License(
    license_id="acme-1",
    licensee="Acme",
    limit_total=10,
    issued_at_s=1000 * DAY,
    not_before_s=1000 * DAY,
    not_after_s=1100 * DAY,
    grace_s=14 * DAY,
)
RENEWAL = msgspec.structs.replace(ACME, license_id="acme-2", issued_at_s=1050 * DAY, not_after_s=1500 * DAY)


def signed(license: License) -> bytes:
    return issue_license(license, KEY).encode()


class Mount:
    """`ports.DocumentSource` of a file that is there or not."""

    name = "/mounted/license.jwt"

    def __init__(self) -> None:
        self._document: bytes | None = None

    async def read(self) -> bytes | None:
        return self._document

    def write(self, document: bytes) -> None:
        self._document = document

    def unlink(self) -> None:
        self._document = None


class Site:
    """A store, a mounted file, and vaults on them."""

    def __init__(self) -> None:
        self.file = Mount()
        self.state = FakeKeyValue("state")
        self.wall = FakeClock(1060.0 * DAY)

    def vault(self, *, with_file: bool = True) -> LicenseVault:
        return LicenseVault(self.state, KEY.public_key(), self.file if with_file else None, self.wall)


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_file_that_appears_changes_and_vanishes_is_followed_without_a_restart(site: Site) -> None:
    vault = site.vault()
    await vault.refresh()
    assert vault.in_force().license.community
    site.file.write(signed(ACME))
    await vault.refresh()
    assert vault.in_force().license == ACME
    site.file.write(signed(RENEWAL) + b"\n")
    await vault.refresh()
    assert vault.in_force().license == RENEWAL
    site.file.unlink()
    await vault.refresh()
    assert vault.in_force().license == RENEWAL


async def test_an_instance_without_the_file_learns_the_license_from_one_that_has_it(site: Site) -> None:
    site.file.write(signed(ACME))
    await site.vault().refresh()
    other = site.vault(with_file=False)
    await other.refresh()
    assert other.in_force().license == ACME


@pytest.mark.parametrize(
    ("document", "word"),
    [
        (b"x" * 20_000, "16384 bytes"),
        (b"hello", "three parts"),
        (issue_license(ACME, Ed25519PrivateKey.generate()).encode(), "signature"),
        (b"", "three parts"),
    ],
    ids=["huge", "malformed", "wrong key", "empty"],
)
async def test_a_broken_file_is_named_and_does_not_displace_the_license(site: Site, document: bytes, word: str) -> None:
    site.file.write(document)
    vault = site.vault()
    await vault.refresh()
    assert vault.in_force().state is LicenseState.INVALID
    assert word in vault.in_force().reason
    assert site.file.name in vault.in_force().reason
    await vault.install(signed(ACME))
    assert (vault.in_force().license, vault.in_force().state) == (ACME, LicenseState.VALID)
    assert word in vault.in_force().reason


@pytest.mark.parametrize(
    ("license", "word"),
    [
        (msgspec.structs.replace(ACME, not_before_s=1070 * DAY), "not valid yet"),
        (msgspec.structs.replace(ACME, not_after_s=1010 * DAY), "expired"),
    ],
)
async def test_a_license_that_does_not_hold_now_cannot_be_installed(site: Site, license: License, word: str) -> None:
    vault = site.vault()
    with pytest.raises(RillcastError, match=word) as caught:
        await vault.install(signed(license))
    assert caught.value.code is ErrorCode.BAD_REQUEST
    assert await site.state.get("installed") is None


async def test_an_install_replaces_even_a_later_issued_license(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(RENEWAL))
    await vault.install(signed(ACME))
    assert vault.in_force().license == ACME


async def test_an_older_file_does_not_undo_an_installed_renewal(site: Site) -> None:
    site.file.write(signed(ACME))
    vault = site.vault()
    await vault.refresh()
    await vault.install(signed(RENEWAL))
    await vault.refresh()
    assert vault.in_force().license == RENEWAL


async def test_grace_then_expired_as_time_goes_by(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(ACME))
    site.wall.now = 1101.0 * DAY
    assert vault.in_force().state is LicenseState.GRACE
    site.wall.now = 1120.0 * DAY
    assert vault.in_force().state is LicenseState.EXPIRED
    await vault.install(signed(RENEWAL))
    assert vault.in_force().state is LicenseState.VALID


async def test_a_clock_set_back_does_not_extend_even_after_a_restart(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(ACME))
    site.wall.now = 1120.0 * DAY
    await vault.refresh()
    site.wall.now = 1050.0 * DAY
    await vault.refresh()
    assert vault.in_force().state is LicenseState.EXPIRED
    restarted = site.vault()
    await restarted.refresh()
    assert restarted.in_force().state is LicenseState.EXPIRED


async def test_a_renewal_frees_a_cluster_whose_clock_once_ran_ahead(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(ACME))
    site.wall.now = 50_000.0 * DAY
    await vault.refresh()
    site.wall.now = 1060.0 * DAY
    await vault.refresh()
    assert vault.in_force().state is LicenseState.EXPIRED
    await vault.install(signed(RENEWAL))
    assert vault.in_force().state is LicenseState.VALID


async def test_a_store_that_is_away_keeps_the_license_and_still_reads_the_file(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(ACME))
    site.state.available = False
    with pytest.raises(RillcastError):
        await vault.refresh()
    assert vault.in_force().license == ACME
    site.file.write(signed(RENEWAL))
    with pytest.raises(RillcastError):
        await vault.refresh()
    assert vault.in_force().license == RENEWAL


async def test_a_broken_document_in_the_store_is_named_and_a_file_mends_it(site: Site) -> None:
    await site.state.put("installed", b"\x00\x01garbage")
    await site.state.put("clock", b"not json")
    vault = site.vault()
    await vault.refresh()
    assert vault.in_force().state is LicenseState.INVALID
    site.file.write(signed(ACME))
    await vault.refresh()
    assert vault.in_force().license == ACME
    other = site.vault(with_file=False)
    await other.refresh()
    assert other.in_force().license == ACME
