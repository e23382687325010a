"""Volume types: extra specs, encryption, and who may use a type that is not public.

Owns: `/v3/types`. May not: change volumes that have a type already. Crash story: see model.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from services.standins.listing import page, read_limit
from services.standins.store import Doc
from services.standins.volume import views
from services.standins.volume.model import DEFAULT_TYPE, Model, type_visible
from services.standins.volume.query import truth
from services.standins.volume.routing import Operation
from services.standins.web import Body, Call, Fault, Reply, complete, given, parse, parse_inner


class CreateBody(Body):
    name: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    extra_specs: dict[str, str] | None = None
    is_public: bool = Field(default=True, alias="os-volume-type-access:is_public")


class UpdateBody(Body):
    name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=255)
    is_public: bool | None = None


class SpecsBody(Body):
    extra_specs: dict[str, str]


class EncryptionBody(Body):
    provider: str = Field(min_length=1, max_length=255)
    control_location: Literal["front-end", "back-end"] = "front-end"
    cipher: str | None = None
    key_size: int | None = Field(default=None, ge=0)


class AccessBody(Body):
    project: str


class Types:
    def __init__(self, model: Model) -> None:
        self._model = model

    def operations(self) -> Iterable[Operation]:
        one = "/types/{id}"
        yield Operation("GET", "/types", self.list)
        yield Operation("POST", "/types", self.create)
        yield Operation("GET", "/types/default", self.default)
        yield Operation("GET", one, self.show)
        yield Operation("PUT", one, self.update)
        yield Operation("DELETE", one, self.delete)
        yield Operation("POST", one + "/action", self.act)
        yield Operation("GET", one + "/os-volume-type-access", self.access)
        yield Operation("GET", one + "/extra_specs", self.specs)
        yield Operation("POST", one + "/extra_specs", self.add_specs)
        yield Operation("GET", one + "/extra_specs/{key}", self.spec)
        yield Operation("PUT", one + "/extra_specs/{key}", self.set_spec)
        yield Operation("DELETE", one + "/extra_specs/{key}", self.delete_spec)
        yield Operation("GET", one + "/encryption", self.encryption)
        yield Operation("POST", one + "/encryption", self.encrypt)
        yield Operation("GET", one + "/encryption/{key}", self.encryption_item)
        yield Operation("PUT", one + "/encryption/{key}", self.change_encryption)
        yield Operation("DELETE", one + "/encryption/{key}", self.decrypt)

    def _need(self, call: Call, action: str = "") -> Doc:
        """The type by its id; with an `action` only for administrators."""
        if action:
            call.require_admin(f"volume_extension:{action}")
        doc = self._model.types.get(call.param("id"))
        if doc is None or not type_visible(call.caller, doc):
            raise Fault(404, f"Volume type {call.param('id')} could not be found.")
        return doc

    def _put(self, doc: Doc, **changes: Any) -> Doc:
        return self._model.types.put(self._model.changed(doc, **changes))

    def list(self, call: Call) -> Reply:
        docs = [doc for doc in self._model.types if type_visible(call.caller, doc)]
        wanted = call.query.get("is_public", "true" if call.caller.is_admin else "none")
        if wanted.lower() != "none":
            docs = [doc for doc in docs if doc["is_public"] == truth(wanted)]
        if "name" in call.query:
            docs = [doc for doc in docs if doc["name"] == call.query["name"]]
        limit = read_limit(call.query.get("limit"), None, 1000)
        shown, _ = page(docs, limit, call.query.get("marker"))
        return Reply(body={"volume_types": [views.volume_type(doc) for doc in shown]})

    def show(self, call: Call) -> Reply:
        return Reply(body={"volume_type": views.volume_type(self._need(call))})

    def default(self, call: Call) -> Reply:
        doc = self._model.need_type(call.caller, DEFAULT_TYPE)
        return Reply(body={"volume_type": views.volume_type(doc)})

    def create(self, call: Call) -> Reply:
        call.require_admin("volume_extension:type_create")
        sent = complete(parse(CreateBody, call.body, "volume_type"))
        self._check_name(sent["name"])
        is_public = sent["os-volume-type-access:is_public"]
        doc = make_type(
            self._model,
            sent["name"],
            description=sent["description"],
            extra_specs=sent["extra_specs"] or {},
            is_public=is_public,
        )
        shown = views.volume_type(doc)
        del shown["qos_specs_id"]
        return Reply(200, {"volume_type": shown})

    def _check_name(self, name: str) -> None:
        if self._model.types.first("name", name) is not None:
            raise Fault(409, f"Volume Type {name} already exists.")

    def update(self, call: Call) -> Reply:
        old = self._need(call, "type_update")
        sent = given(parse(UpdateBody, call.body, "volume_type"))
        changes = {name: value for name, value in sent.items() if value is not None}
        if not changes:
            raise Fault(400, "Specify volume type name, description, is_public or a combination.")
        if changes.get("name", old["name"]) != old["name"]:
            self._check_name(changes["name"])
        shown = views.volume_type(self._put(old, **changes))
        for name in ("qos_specs_id", "os-volume-type-access:is_public"):
            del shown[name]
        return Reply(200, {"volume_type": shown})

    def delete(self, call: Call) -> Reply:
        doc = self._need(call, "type_delete")
        if self._model.volumes.count("type", doc["id"]):
            raise Fault(400, "Target volume type is still in use.")
        if doc["name"] == DEFAULT_TYPE:
            raise Fault(400, f"The volume type {doc['name']} is the default and must stay.")
        self._model.types.delete(doc["id"])
        return Reply(202)

    # Who may use it.

    def access(self, call: Call) -> Reply:
        doc = self._need(call, "volume_type_access")
        if doc["is_public"]:
            raise Fault(404, "Access list not available for public volume types.")
        shown = [{"volume_type_id": doc["id"], "project_id": p} for p in doc["projects"]]
        return Reply(body={"volume_type_access": shown})

    def act(self, call: Call) -> Reply:
        action = next(iter(call.body), "")
        if action not in {"addProjectAccess", "removeProjectAccess"}:
            raise Fault(400, f"There is no such action: {action}")
        doc = self._need(call, f"volume_type_access:{action}")
        project = parse_inner(AccessBody, call.body[action]).project
        if doc["is_public"]:
            raise Fault(409, "Type access modification is not applicable to public volume type.")
        others = [p for p in doc["projects"] if p != project]
        if action == "addProjectAccess":
            if len(others) != len(doc["projects"]):
                raise Fault(409, f"Project {project} may use the volume type already.")
            others.append(project)
        elif len(others) == len(doc["projects"]):
            raise Fault(404, f"Project {project} may not use the volume type anyway.")
        self._put(doc, projects=others)
        return Reply(202)

    # Extra specs.

    def specs(self, call: Call) -> Reply:
        return Reply(body={"extra_specs": self._need(call)["extra_specs"]})

    def add_specs(self, call: Call) -> Reply:
        doc = self._need(call, "types_extra_specs:create")
        sent = parse_inner(SpecsBody, call.body).extra_specs
        self._put(doc, extra_specs={**doc["extra_specs"], **sent})
        return Reply(body={"extra_specs": sent})

    def spec(self, call: Call) -> Reply:
        key = call.param("key")
        return Reply(body={key: self._spec(self._need(call), key)})

    def set_spec(self, call: Call) -> Reply:
        doc, key = self._need(call, "types_extra_specs:update"), call.param("key")
        if list(call.body) != [key] or not isinstance(call.body[key], str):
            raise Fault(400, "Request body and URI mismatch: they name different keys.")
        self._put(doc, extra_specs={**doc["extra_specs"], **call.body})
        return Reply(body=call.body)

    def delete_spec(self, call: Call) -> Reply:
        doc, key = self._need(call, "types_extra_specs:delete"), call.param("key")
        self._spec(doc, key)
        self._put(doc, extra_specs={k: v for k, v in doc["extra_specs"].items() if k != key})
        return Reply(202)

    def _spec(self, doc: Doc, key: str) -> str:
        if key not in doc["extra_specs"]:
            raise Fault(404, f"Volume Type {doc['id']} has no extra spec {key}.")
        return str(doc["extra_specs"][key])

    # Encryption.

    def encryption(self, call: Call) -> Reply:
        doc = self._need(call, "volume_type_encryption")
        return Reply(body=doc["encryption"] or {})

    def encryption_item(self, call: Call) -> Reply:
        doc, key = self._need(call, "volume_type_encryption"), call.param("key")
        found = (doc["encryption"] or {}).get(key)
        if found is None:
            raise Fault(404, f"Volume type {doc['id']} has no encryption {key}.")
        return Reply(body={key: found})

    def encrypt(self, call: Call) -> Reply:
        doc = self._unused(call)
        if doc["encryption"] is not None:
            raise Fault(400, f"Volume type encryption for type {doc['id']} already exists.")
        sent = complete(parse(EncryptionBody, call.body, "encryption"))
        made = {**sent, "encryption_id": self._model.new_id(), "volume_type_id": doc["id"]}
        kept = {**made, "created_at": doc["updated_at"], "updated_at": None, "deleted": False,
                "deleted_at": None}  # fmt: skip
        self._put(doc, encryption=kept)
        return Reply(200, {"encryption": made})

    def change_encryption(self, call: Call) -> Reply:
        doc = self._encrypted(call)
        old = {name: doc["encryption"][name] for name in EncryptionBody.model_fields}
        sent = call.body.get("encryption")
        whole = parse(EncryptionBody, {"encryption": {**old, **(sent or {})}}, "encryption")
        changes = {name: value for name, value in complete(whole).items() if name in (sent or {})}
        self._put(doc, encryption={**doc["encryption"], **changes})
        return Reply(200, {"encryption": changes})

    def decrypt(self, call: Call) -> Reply:
        self._put(self._encrypted(call), encryption=None)
        return Reply(202)

    def _unused(self, call: Call) -> Doc:
        doc = self._need(call, "volume_type_encryption")
        if self._model.volumes.count("type", doc["id"]):
            raise Fault(400, "Cannot change the encryption of a volume type that is in use.")
        return doc

    def _encrypted(self, call: Call) -> Doc:
        """The type whose encryption has the id in the path."""
        doc = self._unused(call)
        if doc["encryption"] is None or doc["encryption"]["encryption_id"] != call.param("key"):
            raise Fault(404, f"Volume type encryption {call.param('key')} could not be found.")
        return doc


def make_type(
    model: Model,
    name: str,
    *,
    description: str | None = None,
    extra_specs: dict[str, str] | None = None,
    is_public: bool = True,
    type_id: str | None = None,
) -> Doc:
    """Keep a new type."""
    now = model.stamp()
    return model.types.put(
        {
            "id": type_id or model.new_id(),
            "name": name,
            "description": description,
            "is_public": is_public,
            "projects": [],
            "extra_specs": extra_specs or {},
            "encryption": None,
            "created_at": now,
            "updated_at": now,
        }
    )
