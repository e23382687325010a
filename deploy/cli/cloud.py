"""A small client of the cluster's own HTTP APIs, for `up`, `status` and `demo`.

Owns: one login as a user of clouds.yaml and JSON requests with its token; standard library only,
because commands must start quickly.
May not: replace the real clients; `./muster openstack` is there for people.
Crash story: holds a token, nothing else.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from deploy.local.home import Home, LocalClusterError

TIMEOUT_S = 10.0


class CloudError(LocalClusterError):
    """An API refused or could not be reached; `status` is 0 for the latter."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def request(
    method: str, url: str, *, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[dict[str, str], Any]:
    """Response headers (lower case) and decoded body; raises `CloudError`."""
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(  # noqa: S310 - the URL is the cluster's own
        url, data, {"Content-Type": "application/json", **(headers or {})}, method=method
    )
    try:
        with urllib.request.urlopen(call, timeout=TIMEOUT_S) as answer:  # noqa: S310
            text = answer.read()
            return {k.lower(): v for k, v in answer.headers.items()}, json.loads(text or b"null")
    except urllib.error.HTTPError as error:
        detail = error.read().decode(errors="replace")[:300]
        raise CloudError(error.code, f"{method} {url}: {error.code} {detail}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise CloudError(0, f"{method} {url}: {reason}") from error


class Cloud:
    """One user's view; `microversion` is sent with every compute request."""

    def __init__(self, home: Home, user: str = "admin", microversion: str = "2.96") -> None:
        try:
            auth = json.loads(home.clouds_file.read_text())["clouds"][user]["auth"]
        except (OSError, ValueError, KeyError) as error:
            raise LocalClusterError(
                f"no credentials in {home.path}; start a cluster with: ./muster up"
            ) from error
        self._auth = auth
        self._microversion = microversion
        self._token = ""
        self._endpoints: dict[str, str] = {}

    def _log_in(self) -> None:
        auth = self._auth
        user = {"name": auth["username"], "domain": {"name": "Default"}}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {**user, "password": auth["password"]}},
                },
                "scope": {"project": {"name": auth["project_name"], "domain": {"name": "Default"}}},
            }
        }
        headers, answer = request("POST", f"{auth['auth_url']}/v3/auth/tokens", body=body)
        self._token = headers["x-subject-token"]
        for service in answer["token"]["catalog"]:
            for endpoint in service["endpoints"]:
                if endpoint["interface"] == "public":
                    self._endpoints[service["type"]] = endpoint["url"].rstrip("/")

    def call(self, service: str, method: str, path: str, body: Any = None) -> Any:
        """The decoded body of one request to the endpoint of `service` (e.g. "compute")."""
        if not self._token:
            self._log_in()
        if service not in self._endpoints:
            raise CloudError(404, f"the catalog has no service {service!r}")
        headers = {"X-Auth-Token": self._token}
        if service == "compute":
            headers["OpenStack-API-Version"] = f"compute {self._microversion}"
        url = f"{self._endpoints[service]}{path}"
        return request(method, url, body=body, headers=headers)[1]

    def compute_services(self) -> list[dict[str, Any]]:
        """os-services: binary, host, status, state, ... of every service the API knows."""
        services: list[dict[str, Any]] = self.call("compute", "GET", "/os-services")["services"]
        return services

    def hosts_up(self) -> set[str]:
        """Names of the hosts that the API reports as up."""
        return {
            service["host"]
            for service in self.compute_services()
            if service["binary"] == "nova-compute" and service["state"] == "up"
        }
