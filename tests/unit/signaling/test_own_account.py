"""What an operator is told of the own account, and how its other sessions end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rillcast.contracts.status import ME_PATH, SETTING_WORDS_PATH
from services.signaling.core.domain.setting_table import OWN, SETTINGS
from services.signaling.operators.domain.accounts import Role
from tests.unit.signaling.operator_sessions import add_user, sign_in
from tests.unit.signaling.signaling_harness import Cluster, cluster


async def make_ada(c: Cluster) -> None:
    """An operator who may only look."""
    async with c.http() as admin:
        await add_user(admin, "ada", userType=Role.READ_ONLY.value, scope="system")


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_a_session_is_told_its_name_its_roles_and_where_else_it_is_signed_in(c: Cluster) -> None:
    await make_ada(c)
    async with sign_in(c, "ada") as here, sign_in(c, "ada"):
        me = (await here.get(ME_PATH)).json()

    assert (me["name"], me["account"], me["roles"]) == ("ada", "ada", {"system": "READ_ONLY"})
    assert [one["this"] for one in me["sessions"]] == [True, False]


async def test_a_token_has_roles_and_no_sessions(c: Cluster) -> None:
    async with c.http() as admin:
        me = (await admin.get(ME_PATH)).json()
        ended = await admin.delete(f"{ME_PATH}/sessions")

    assert (me["account"], me["roles"], me["sessions"]) == ("", {"system": "ADMIN"}, [])
    assert ended.status_code == 403, "a token has no other sessions"


async def test_ones_other_sessions_end_and_the_own_goes_on(c: Cluster) -> None:
    await make_ada(c)
    async with sign_in(c, "ada") as here, sign_in(c, "ada") as there:
        ended = await here.delete(f"{ME_PATH}/sessions")

        assert ended.json()["success"] is True, "whoever may only look may still end sessions of the own account"
        assert (await there.get(ME_PATH)).status_code == 403
        assert [one["this"] for one in (await here.get(ME_PATH)).json()["sessions"]] == [True]


async def test_every_setting_is_told_with_a_meaning_and_its_default(c: Cluster) -> None:
    async with c.http() as admin, c.stranger() as stranger:
        told = {one["key"]: one for one in (await admin.get(SETTING_WORDS_PATH)).json()}
        shown = (await admin.get("/rillcast/v1/apps/live/settings")).json()
        nobody = await stranger.get(SETTING_WORDS_PATH)

    assert told.keys() == shown.keys()
    assert len(told) == len(SETTINGS) + len(OWN)
    assert [key for key, one in told.items() if not one["meaning"] and one["effect"] != "told"] == []
    assert told["webRTCViewerLimit"]["default"] == SETTINGS["webRTCViewerLimit"].default
    assert told["jwtSecretKey"]["secret"] is True
    assert told["turnSecret"] | {"meaning": ""} == told["turnSecret"] | {"meaning": "", "ours": True, "secret": True}
    assert nobody.status_code == 403
