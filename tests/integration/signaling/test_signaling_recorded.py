"""Every recorded REST answer once more from the real server: what it adds or changes, a client sees as well."""

from __future__ import annotations

import json

import pytest

from tests.integration.signaling.wire import wire_cluster
from tests.unit.signaling.test_signaling_rest_answers import RECORDED, SCENES, Recorder, strangers


@pytest.mark.parametrize("scene", [*SCENES, "strangers"])
async def test_every_answer_on_the_wire_is_as_recorded(scene: str) -> None:
    settings = {"remote_allowed_cidr": "192.0.2.0/24"} if scene == "strangers" else {}
    async with wire_cluster(**settings) as c, c.http() as http:
        recorder = Recorder(http)
        await (strangers(recorder) if scene == "strangers" else SCENES[scene](recorder, c))
    assert recorder.answers == json.loads(RECORDED.read_text())[scene]
