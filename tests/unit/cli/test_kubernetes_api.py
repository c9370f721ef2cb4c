"""What is asked of the API server, and what is said when it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.kubernetes.api import ClusterApi, Refused

Answering = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "namespace").write_text("streams\n")
    return tmp_path


def api(account: Path, answer: Answering) -> ClusterApi:
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://10.96.0.1:443")
    return ClusterApi(client, account, "streams")


def test_the_token_is_read_for_each_request(account: Path) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json={"items": []})

    with api(account, answer) as server:
        server.pods("a=b")
        (account / "token").write_text("second")
        server.pods("a=b")

    assert seen == ["Bearer first", "Bearer second"]


def test_an_annotation_is_merged(account: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("PATCH", "/api/v1/namespaces/streams/pods/edge-1")
        assert request.headers["content-type"] == "application/merge-patch+json"
        assert json.loads(request.content) == {"metadata": {"annotations": {"cost": "5"}}}
        return httpx.Response(200, json={})

    with api(account, answer) as server:
        server.annotate_pod("edge-1", {"cost": "5"})


def test_a_secret_that_is_not_there_is_none(account: Path) -> None:
    with api(account, lambda _: httpx.Response(404, json={"message": "not found"})) as server:
        assert server.secret("keys") is None


def test_a_refusal_has_the_words_of_the_server(account: Path) -> None:
    words = 'nodes "worker-1" is forbidden'
    with (
        api(account, lambda _: httpx.Response(403, json={"message": words})) as server,
        pytest.raises(Refused, match=r"refuses GET /api/v1/nodes/worker-1: 403 .*forbidden") as caught,
    ):
        server.node("worker-1")
    assert caught.value.status == 403


def test_no_answer_is_told_as_such(account: Path) -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out")

    with api(account, silent) as server, pytest.raises(Refused, match=r"does not answer GET .*: timed out"):
        server.service("edge-0")


def test_an_answer_that_is_no_json_is_no_traceback(account: Path) -> None:
    with (
        api(account, lambda _: httpx.Response(502, text="<html>")) as server,
        pytest.raises(Refused, match="502 <html>"),
    ):
        server.node("worker-1")


def test_outside_of_a_pod_it_says_so(account: Path) -> None:
    with pytest.raises(CannotGoOn, match="no pod of a Kubernetes cluster"):
        ClusterApi.of_this_pod(account, {})
    with pytest.raises(CannotGoOn, match="no account at the API server"):
        ClusterApi.of_this_pod(account, {"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
