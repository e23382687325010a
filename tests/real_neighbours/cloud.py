"""What a fresh Keystone and a fresh Glance must hold before a Muster cluster is at home there.

Owns: projects, users, roles and the catalog, an image; all over the services' own APIs.
May not: start anything. Crash story: nothing; the services are new in each run.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from deploy.cli.cloud import request

REGION = "RegionOne"
GRANTS = (
    ("admin", "demo", "admin"),
    ("demo", "demo", "member"),
    ("muster", "service", "admin"),
    ("muster", "service", "service"),
    ("muster-host", "service", "image_uploader"),
    ("glance", "service", "admin"),
    ("glance", "service", "service"),
)
"""(user, project, role); `admin` of the project admin is there from the beginning."""
IMAGE_BYTES = 1 << 20


class Administrator:
    """Keystone's own API with the administrator's token."""

    def __init__(self, auth_url: str, passwords: dict[str, str]) -> None:
        self._url = f"{auth_url}/v3"
        self._passwords = passwords
        user = {"name": "admin", "domain": {"id": "default"}, "password": passwords["admin"]}
        project = {"name": "admin", "domain": {"id": "default"}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        headers, _ = request("POST", f"{self._url}/auth/tokens", body=body)
        self.token = headers["x-subject-token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Auth-Token": self.token}
        return request(method, self._url + path, body=body, headers=headers)[1]

    def ids(self, kind: str) -> dict[str, str]:
        return {doc["name"]: doc["id"] for doc in self.call("GET", f"/{kind}s")[f"{kind}s"]}

    def make(self, kind: str, **fields: Any) -> str:
        return str(self.call("POST", f"/{kind}s", {kind: fields})[kind]["id"])

    def people(self) -> None:
        """Everybody whom a cluster of `muster up` knows."""
        for project in ("demo", "service"):
            self.make("project", name=project, domain_id="default")
        self.make("role", name="image_uploader")
        for name in ("demo", "muster", "muster-host", "glance"):
            self.make("user", name=name, domain_id="default", password=self._passwords[name])
        users, projects, roles = self.ids("user"), self.ids("project"), self.ids("role")
        for user, project, role in GRANTS:
            self.call(
                "PUT", f"/projects/{projects[project]}/users/{users[user]}/roles/{roles[role]}"
            )

    def catalog(self, addresses: dict[str, tuple[str, str]]) -> None:
        """Service type to name and address, the same one for public and internal use."""
        for kind, (name, url) in addresses.items():
            service = self.make("service", type=kind, name=name)
            for interface in ("public", "internal"):
                self.make(
                    "endpoint", service_id=service, interface=interface, url=url, region=REGION
                )


def public_image(url: str, token: str, name: str) -> None:
    """An image that everybody sees, with some bytes in it."""
    headers = {"X-Auth-Token": token}
    fields = {
        "name": name,
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
    }
    image = request("POST", f"{url}/v2/images", body=fields, headers=headers)[1]
    upload = urllib.request.Request(
        f"{url}/v2/images/{image['id']}/file",
        json.dumps(fields).encode().ljust(IMAGE_BYTES),
        {**headers, "Content-Type": "application/octet-stream"},
        method="PUT",
    )
    urllib.request.urlopen(upload, timeout=60).close()
