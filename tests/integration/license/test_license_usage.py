"""The usage report from a running cluster: by command and by REST, signed, and the license in status and metrics."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import msgspec
from license_cluster import LicenseCluster, license, license_cluster, until

from rillcast.contracts.subjects import BUCKET_LICENSE_STATE
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.servers import free_port
from services.license.domain.usage import MS_PER_HOUR, DayRecord, LicenseUse

NOW = datetime.now(UTC)
LAST_WEEK = f"{NOW - timedelta(days=7):%Y-%m-%d}"


async def remember_last_week(c: LicenseCluster) -> None:
    """A day's usage, as a license service left it in the store: 30 node-hours."""
    connection = NatsConnection(NodeSettings(nats_url=c.nats.url), "history")
    await connection.open()
    state = NatsKeyValue(connection, BUCKET_LICENSE_STATE, storage="memory")
    await state.open()
    used = LicenseUse(node_ms={"edge": 24 * MS_PER_HOUR, "origin": 6 * MS_PER_HOUR}, peak={"edge": 2, "origin": 1})
    day = DayRecord(measured_at_ms=int((NOW - timedelta(days=6)).timestamp() * 1000), licenses={"acme-9": used})
    await state.put(f"usage/{LAST_WEEK}", msgspec.json.encode(day))
    await connection.close()


async def test_usage_is_reported_signed_and_the_license_shows_in_status_rest_and_metrics() -> None:
    async with license_cluster() as c:
        await remember_last_week(c)
        port, report = free_port(), c.folder / "usage.jwt"
        url = f"http://127.0.0.1:{port}"
        service, node = await asyncio.gather(c.start("license-1"), c.start("signaling-1", port=port))
        await c.status()
        await c.install(license(9, features=("support",)))
        await node.ready()

        async def counted() -> bool:
            hours = await service.metric('rillcast_license_node_hours{kind="edge"}')
            assert hours == 24, hours
            return True

        await until(counted, "the metric shows what was used under this license")
        assert await service.metric('rillcast_license_seats_limit{kind="total"}') == 9
        code, said = await c.command("license", "usage", "--to", LAST_WEEK, "--out", str(report))
        assert (code, "30.00 (24.00 edge, 6.00 origin) node-hours" in said) == (0, True), said
        key = next(line.split()[1] for line in said.splitlines() if line.startswith("key"))

        code, verified = await c.command("license", "verify-usage", str(report), "--key", key)
        assert (code, f"{LAST_WEEK} 30.00" in verified) == (0, True), verified
        head, payload, signature = report.read_text().strip().split(".")
        less = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"node_hours": {"edge": 1.0}}
        body = base64.urlsafe_b64encode(json.dumps(less).encode()).rstrip(b"=").decode()
        code, said = await c.command("license", "verify-usage", "-", stdin=f"{head}.{body}.{signature}".encode())
        assert (code, "changed since it was signed" in said) == (1, True), said

        async with c.operator(url) as http:
            usage = (await http.get(f"/rillcast/v1/license/usage?to={LAST_WEEK}")).json()
            last = (await http.get("/rest/v2/last-licence-status")).json()
            fresh = (await http.get("/rest/v2/licence-status?key=acme-9")).json()
            checked = (await http.get("/rest/v2/licence-status", params={"key": license(3)})).json()
            edition = (await http.get("/rest/v2/enterprise-edition")).json()
        assert (usage["key_id"], usage["report"]["node_hours"]) == (key, {"edge": 24.0, "origin": 6.0})
        assert {name: fresh[name] for name in ("licenceId", "licenceCount", "owner", "status", "type")} == {
            "licenceId": "acme-9",
            "licenceCount": "9",
            "owner": "Acme",
            "status": "valid",
            "type": "cluster",
        }
        assert (fresh["hourUsed"], fresh["startDate"][:4], last.keys()) == ("30", f"{NOW:%Y}", fresh.keys())
        assert (checked["licenceId"], checked["licenceCount"], checked["status"]) == ("acme-3", "3", "valid")
        assert edition["success"] is True

        code, said = await c.command("license", "status")
        assert (code, "1 of 9 taken (1 signaling)" in said, "30.0 node-hours" in said) == (0, True, True), said
