"""What a fresh cloud's identity holds.

Owns: the seeded domain, region, projects, users, roles, services and endpoints.
May not: touch anything else. Seeds come back at each start when they were deleted; an endpoint
follows the settings, everything else keeps what an operator made of it.
Crash story: one transaction at start.
"""

from __future__ import annotations

from common.auth.roles import IMAGE_UPLOADER
from common.config.settings import StandinSettings
from services.standins.identity.model import DEFAULT_DOMAIN_ID, Model
from services.standins.identity.passwords import hash_password, verify_password
from services.standins.seeding import seed_hex
from services.standins.store import Collection, Doc

PROJECTS = ("admin", "demo", "service")
ROLES = ("admin", "manager", "member", "reader", "service", IMAGE_UPLOADER)
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
GRANTS = (
    ("admin", "admin", "admin"),
    ("admin", "demo", "admin"),
    ("demo", "demo", "member"),
    ("muster", "service", "admin"),
    ("muster", "service", "service"),
    ("muster-host", "service", IMAGE_UPLOADER),
)
"""(user, project, role)."""

STAND_IN_SERVICES = (
    ("identity", "keystone", "/identity"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
    ("block-storage", "cinder", "/volume/v3"),
    ("volumev3", "cinderv3", "/volume/v3/$(project_id)s"),
)
"""(type, name, path on this server). Where a path carries no version clients find it themselves;
those of the volume service do not, and its older ones want the project there as well."""


def seed(model: Model, settings: StandinSettings) -> None:
    """Create what is missing; in a transaction."""
    domain = {"id": DEFAULT_DOMAIN_ID, "name": "Default", "description": "The default domain"}
    _add(model.domains, {**domain, "enabled": True, "tags": [], "options": {}})
    region: Doc = {"id": settings.region, "description": "", "parent_region_id": None}
    _add(model.regions, region)
    for name in ROLES:
        role: Doc = {"id": seed_hex("role", name), "name": name, "domain_id": None}
        _add(model.roles, {**role, "description": None, "options": {}})
    for prior, implied in IMPLIED:
        model.put_implied(seed_hex("role", prior), seed_hex("role", implied))
    for name in PROJECTS:
        _add(model.projects, _project(name))
    passwords = {
        "admin": settings.admin_password,
        "demo": settings.demo_password,
        "muster": settings.service_password,
        "muster-host": settings.host_password,
    }
    for name, password in passwords.items():
        _seed_user(model, name, password.get_secret_value())
    model.put_grant("system", "all", "user", seed_hex("user", "admin"), seed_hex("role", "admin"))
    for user, project, held in GRANTS:
        model.put_grant(
            "project",
            seed_hex("project", project),
            "user",
            seed_hex("user", user),
            seed_hex("role", held),
        )
    _seed_catalog(model, settings)


def _add(collection: Collection, doc: Doc) -> None:
    if doc["id"] not in collection:
        collection.put(doc)


def _project(name: str) -> Doc:
    return {
        "id": seed_hex("project", name),
        "name": name,
        "domain_id": DEFAULT_DOMAIN_ID,
        "parent_id": DEFAULT_DOMAIN_ID,
        "description": "",
        "enabled": True,
        "is_domain": False,
        "tags": [],
        "options": {},
    }


def _seed_user(model: Model, name: str, password: str) -> None:
    """The user, with the password of the settings.

    A password changed through the API survives a restart; a password changed in the settings wins.
    `_seeded` tells the two apart.
    """
    user_id = seed_hex("user", name)
    user = model.users.get(user_id)
    if user is not None and verify_password(password, user["_seeded"]):
        return
    hashed = hash_password(password, model.ids)
    base = user or {
        "id": user_id,
        "name": name,
        "domain_id": DEFAULT_DOMAIN_ID,
        "enabled": True,
        "default_project_id": None,
        "email": None,
        "description": None,
        "options": {},
        "password_expires_at": None,
    }
    model.users.put({**base, "_password": hashed, "_seeded": hashed})


def _seed_catalog(model: Model, settings: StandinSettings) -> None:
    compute = {
        "public": settings.compute_public_url,
        "internal": settings.compute_internal_url or settings.compute_public_url,
        "admin": settings.compute_public_url,
    }
    _seed_service(model, "compute", "nova", compute, settings.region)
    placement = {name: url.partition("/v2")[0] + "/placement" for name, url in compute.items()}
    _seed_service(model, "placement", "placement", placement, settings.region)
    # Without a configured address the one by which the client came is the one that works for it.
    public = (settings.public_url or "$(base_url)s").rstrip("/")
    internal = (settings.internal_url or public).rstrip("/")
    for kind, name, path in STAND_IN_SERVICES:
        urls = {"public": public + path, "internal": internal + path, "admin": public + path}
        _seed_service(model, kind, name, urls, settings.region)


def _seed_service(model: Model, kind: str, name: str, urls: dict[str, str], region: str) -> None:
    service_id = seed_hex("service", kind)
    _add(
        model.services,
        {"id": service_id, "type": kind, "name": name, "enabled": True, "description": ""},
    )
    for interface, url in urls.items():
        doc: Doc = {
            "id": seed_hex("endpoint", f"{kind}:{interface}"),
            "service_id": service_id,
            "interface": interface,
            "url": url,
            "region_id": region,
            "enabled": True,
        }
        if model.endpoints.get(doc["id"]) != doc:
            model.endpoints.put(doc)
