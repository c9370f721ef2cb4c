"""Which license is in force: files that come, change and break; installs; clocks."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import LicenseState
from rillcast.licensing.document import License, issue_license, sign
from rillcast.licensing.revocations import KIND, issue_revocations
from rillcast.runtime.ports import Entry
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


async def refused(vault: LicenseVault, document: bytes) -> str:
    with pytest.raises(RillcastError) as refusal:
        await vault.install(document)
    assert refusal.value.code is ErrorCode.BAD_REQUEST
    return refusal.value.message


async def test_an_older_license_never_replaces_a_later_one(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(RENEWAL))
    assert "acme-1 was issued before acme-2, which is installed" in await refused(vault, signed(ACME))
    assert vault.in_force().license == RENEWAL
    await vault.install(signed(RENEWAL))


async def test_a_license_that_names_a_cluster_holds_in_no_other(site: Site) -> None:
    vault, elsewhere = site.vault(), Site().vault()
    await vault.refresh()
    await elsewhere.refresh()
    assert vault.cluster != elsewhere.cluster
    assert site.vault(with_file=False).cluster == ""
    bound = msgspec.structs.replace(ACME, cluster=vault.cluster)

    await vault.install(signed(bound))
    assert vault.in_force().license == bound
    assert f"is for the cluster {vault.cluster}" in await refused(elsewhere, signed(bound))
    assert elsewhere.in_force().license.community
    assert elsewhere.check(signed(bound)).state is LicenseState.INVALID


async def test_a_license_for_another_cluster_in_a_file_counts_as_none(site: Site) -> None:
    site.file.write(signed(msgspec.structs.replace(ACME, cluster="another")))
    vault = site.vault()
    await vault.refresh()
    assert vault.in_force().state is LicenseState.INVALID
    assert "is for the cluster another" in vault.in_force().reason


async def test_all_instances_have_the_same_cluster_id_also_after_a_restart(site: Site) -> None:
    first, second = site.vault(), site.vault()
    await first.refresh()
    await second.refresh()
    assert first.cluster == second.cluster
    assert len(first.cluster) == 16


def revoking(*ids: str, day: int = 1055) -> bytes:
    return issue_revocations(ids, day * DAY, KEY).encode()


async def test_a_revoked_license_holds_no_more_and_cannot_come_back(site: Site) -> None:
    site.file.write(signed(ACME))
    vault, other = site.vault(), site.vault(with_file=False)
    await vault.refresh()
    await vault.install(revoking("acme-1", "acme-0"))
    await other.refresh()
    for one in (vault, other):
        assert one.in_force().license.community
        assert "its issuer has revoked license acme-1" in one.in_force().reason
    assert "has revoked license acme-1" in await refused(vault, signed(ACME))
    await vault.install(signed(RENEWAL))
    assert vault.in_force().license == RENEWAL


async def test_a_list_of_revoked_licenses_must_be_the_issuers_and_the_latest(site: Site) -> None:
    vault = site.vault()
    await vault.install(signed(ACME))
    forged = issue_revocations(["acme-1"], 1056 * DAY, Ed25519PrivateKey.generate()).encode()
    assert "signature" in await refused(vault, forged)
    await vault.install(revoking("acme-1", day=1058))
    assert "issued later is installed" in await refused(vault, revoking(day=1057))
    assert vault.in_force().license.community
    await vault.install(revoking(day=1059))
    assert vault.in_force().license == ACME


class Slow(FakeKeyValue):
    """A store whose answers arrive later, so that others come in between a look and a write."""

    async def get(self, key: str) -> Entry | None:
        found = await super().get(key)
        await asyncio.sleep(0)
        return found


@pytest.mark.parametrize("turn", [1, -1], ids=["the later one first", "the later one last"])
async def test_of_lists_of_revoked_licenses_that_come_at_the_same_time_the_latest_stays(site: Site, turn: int) -> None:
    site.state = Slow("state")
    lists = {day: revoking("acme-1", f"of-{day}", day=day) for day in (1058, 1057, 1056, 1055)}

    ended = await asyncio.gather(
        *(site.vault().install(document) for document in list(lists.values())[::turn]), return_exceptions=True
    )

    entry = await site.state.get("revoked")
    assert entry is not None
    assert entry.value == lists[1058]
    assert ended[::turn][0] is None
    assert all("issued later is installed" in str(error) for error in ended if error is not None)


async def test_of_two_lists_of_the_same_second_none_loses_what_the_other_revokes(site: Site) -> None:
    site.state = Slow("state")
    vault = site.vault()

    ended = await asyncio.gather(
        vault.install(revoking("acme-1")), site.vault().install(revoking("acme-2")), return_exceptions=True
    )

    (refusal,) = (error for error in ended if error is not None)
    assert "was issued in the same second is installed and also names acme-" in str(refusal)
    await vault.install(revoking("acme-1", "acme-2"))
    for license in (ACME, RENEWAL):
        assert "has revoked license" in await refused(vault, signed(license))


async def test_a_list_of_revoked_licenses_that_others_keep_changing_is_refused_and_not_lost_silently(
    site: Site,
) -> None:
    class Contended(FakeKeyValue):
        async def update(self, key: str, value: bytes, revision: int) -> int | None:
            return None

    site.state = Contended("state")
    vault = site.vault()
    await vault.install(revoking("acme-1", day=1055))

    with pytest.raises(RillcastError, match="kept changing") as caught:
        await vault.install(revoking("acme-1", "acme-2", day=1056))
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


async def test_a_license_is_no_list_and_a_list_is_no_license(site: Site) -> None:
    vault = site.vault()
    as_license = sign({"iat": 1, "revoked": ["acme-1"]}, KEY, "JWT").encode()
    as_list = sign({"jti": "x", "sub": "x", "iat": 1, "limits": {"total": 5}}, KEY, KIND).encode()
    assert "not a license" in await refused(vault, as_license)
    assert "not a list of revoked licenses" in await refused(vault, as_list)


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
