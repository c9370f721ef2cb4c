"""The few questions that we ask the API server of a Kubernetes cluster, as the service account of a pod."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from rillcast.cli.faults import CannotGoOn

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes shows a pod its account: the files `token`, `ca.crt` and `namespace`."""
_REQUEST_S = 10.0
_MERGE = "application/merge-patch+json"
Json = dict[str, Any]


class Refused(CannotGoOn):
    """The API server did not do what was asked. `status`: of HTTP; 0 when there was no answer."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class ClusterApi:
    """Asks one API server. Use as a context manager. Each call raises `Refused`, with the server's own words."""

    def __init__(self, client: httpx.Client, account: Path, namespace: str) -> None:
        """`account`: its token is read again for each request, since Kubernetes renews it within the hour."""
        self._client = client
        self._account = account
        self.namespace = namespace

    @classmethod
    def of_this_pod(cls, account: Path = ACCOUNT, environment: Mapping[str, str] = os.environ) -> ClusterApi:
        """The server that every pod is told of. Raises CannotGoOn outside of a pod, or in one without an account."""
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise CannotGoOn("this is no pod of a Kubernetes cluster: KUBERNETES_SERVICE_HOST is not set")
        base = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        try:
            namespace = (account / "namespace").read_text("utf-8").strip()
            trusting = ssl.create_default_context(cafile=account / "ca.crt")
        except OSError as error:
            raise CannotGoOn(f"this pod has no account at the API server: {error}") from error
        client = httpx.Client(base_url=base, verify=trusting, timeout=_REQUEST_S, trust_env=False)
        return cls(client, account, namespace)

    def __enter__(self) -> ClusterApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def node(self, name: str) -> Json:
        """The Node object of a machine."""
        return self._asked("GET", f"/api/v1/nodes/{name}")

    def service(self, name: str) -> Json:
        """A Service in the namespace of this pod."""
        return self._asked("GET", f"{self._here}/services/{name}")

    def pods(self, labels: str) -> list[Json]:
        """The pods of this namespace that a label selector matches."""
        items: list[Json] = self._asked("GET", f"{self._here}/pods", params={"labelSelector": labels})["items"]
        return items

    def annotate_pod(self, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a pod, and leave its others."""
        patch = {"metadata": {"annotations": dict(annotations)}}
        self._asked("PATCH", f"{self._here}/pods/{name}", patch, content_type=_MERGE)

    def secret(self, name: str) -> Json | None:
        """A Secret in the namespace of this pod, or None when there is none."""
        try:
            return self._asked("GET", f"{self._here}/secrets/{name}")
        except Refused as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def create_secret(self, secret: Json) -> None:
        """Make a Secret that is not there yet."""
        self._asked("POST", f"{self._here}/secrets", secret)

    def change_secret(self, name: str, data: Mapping[str, str]) -> None:
        """Set entries of a Secret, in base64, and leave its others."""
        self._asked("PATCH", f"{self._here}/secrets/{name}", {"data": dict(data)}, content_type=_MERGE)

    @property
    def _here(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    def _asked(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        try:
            token = (self._account / "token").read_text("ascii").strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
            content = None if body is None else json.dumps(body)
            answer = self._client.request(method, path, params=params, headers=headers, content=content)
        except (OSError, httpx.HTTPError) as error:
            raise Refused(
                f"the API server does not answer {method} {path}: {error or type(error).__name__}", 0
            ) from error
        found = _object(answer)
        if not answer.is_success:
            words = str(found.get("message") or answer.text[:200])
            raise Refused(f"the API server refuses {method} {path}: {answer.status_code} {words}", answer.status_code)
        return found


def _object(answer: httpx.Response) -> Json:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
