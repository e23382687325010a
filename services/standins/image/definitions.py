"""Metadata definitions: what a dashboard offers where metadata, hints and extra specs are set.

Owns: a small catalogue of what Muster heeds, to be read only. May not: restrict what images or
servers carry; a definition is advice to whoever draws a form.
Crash story: constants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.standins.store import Doc
from services.standins.web import Call, Fault, Reply, Route

_BORN = "2026-01-01T00:00:00Z"
_BASE = "/v2/metadefs/namespaces"


@dataclass(frozen=True)
class Namespace:
    name: str
    title: str
    description: str
    targets: tuple[tuple[str, str | None], ...]
    """Kinds of resources, and for servers whether these are metadata or hints."""
    properties: Doc

    def is_about(self, kinds: set[str]) -> bool:
        return not kinds or any(kind in kinds for kind, _ in self.targets)


def _text(title: str, description: str, **more: object) -> Doc:
    return {"title": title, "description": description, "type": "string", **more}


NAMESPACES = (
    Namespace(
        "Muster::Notes",
        "Notes",
        "For whoever reads them; nothing depends on them.",
        (
            ("OS::Nova::Server", "metadata"),
            ("OS::Nova::Aggregate", None),
            ("OS::Glance::Image", None),
            ("OS::Cinder::Volumes", None),
        ),
        {
            "owner": _text("Owner", "Whom to ask about it."),
            "purpose": _text("Purpose", "What it is there for."),
        },
    ),
    Namespace(
        "Muster::Hints",
        "Where a server goes",
        "Hints for the scheduler, given when a server is created.",
        (("OS::Nova::Server", "scheduler_hints"),),
        {
            "same_host": _text("Same host", "The UUID of a server to be with."),
            "different_host": _text("Different host", "The UUID of a server not to be with."),
        },
    ),
    Namespace(
        "Muster::Flavors",
        "What a flavor asks of hosts",
        "Extra specs that the scheduler heeds.",
        (("OS::Nova::Flavor", None),),
        {
            "trait:HW_ARCH_X86_64": _text(
                "x86-64", "Whether the host must have that architecture, or must not.",
                enum=["required", "forbidden"],
            ),
            "capabilities:hypervisor_type": _text("Hypervisor", "The kind of hypervisor."),
        },
    ),
)  # fmt: skip


class Definitions:
    def routes(self) -> Iterable[Route]:
        yield Route("GET", _BASE, self.list)
        yield Route("GET", _BASE + "/{namespace}", self.show)
        yield Route("GET", _BASE + "/{namespace}/resource_types", self.targets)
        yield Route("GET", "/v2/metadefs/resource_types", self.resource_types)

    def list(self, call: Call) -> Reply:
        kinds = {each for each in (call.query.get("resource_types") or "").split(",") if each}
        found = [_shown(each) for each in NAMESPACES if each.is_about(kinds)]
        links = {"first": _BASE, "schema": "/v2/schemas/metadefs/namespaces"}
        return Reply(body={"namespaces": found, **links})

    def show(self, call: Call) -> Reply:
        found = _need(call)
        return Reply(body={**_shown(found), "properties": found.properties})

    def targets(self, call: Call) -> Reply:
        return Reply(body={"resource_type_associations": _associations(_need(call))})

    def resource_types(self, call: Call) -> Reply:  # noqa: ARG002
        kinds = sorted({kind for each in NAMESPACES for kind, _ in each.targets})
        times = {"created_at": _BORN, "updated_at": _BORN}
        return Reply(body={"resource_types": [{"name": kind, **times} for kind in kinds]})


def _need(call: Call) -> Namespace:
    name = call.param("namespace")
    for each in NAMESPACES:
        if each.name == name:
            return each
    raise Fault(404, f"Metadata definition namespace={name} was not found.")


def _associations(namespace: Namespace) -> list[Doc]:
    times = {"created_at": _BORN, "updated_at": _BORN}
    return [
        {"name": kind, **({"properties_target": target} if target else {}), **times}
        for kind, target in namespace.targets
    ]


def _shown(namespace: Namespace) -> Doc:
    return {
        "namespace": namespace.name,
        "display_name": namespace.title,
        "description": namespace.description,
        "visibility": "public",
        "protected": True,
        "owner": "admin",
        "created_at": _BORN,
        "updated_at": _BORN,
        "resource_type_associations": _associations(namespace),
        "self": f"{_BASE}/{namespace.name}",
        "schema": "/v2/schemas/metadefs/namespace",
    }
