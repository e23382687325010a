"""`/v3/projects/{id}/tags`: the tags of a project, one by one or all at once.

Owns: these routes. May not: change anything else of a project.
Crash story: see store.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from services.standins.identity.lookup import need
from services.standins.identity.model import Model
from services.standins.store import Doc
from services.standins.web import Body, Call, Fault, Reply, Route, parse_inner

MOST_TAGS = 80


class TagsBody(Body):
    tags: list[str] = Field(max_length=MOST_TAGS)


class ProjectTags:
    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> Iterable[Route]:
        base = "/v3/projects/{project}/tags"
        yield Route("GET", base, self.list)
        yield Route("PUT", base, self.replace)
        yield Route("DELETE", base, self.clear)
        yield Route("PUT", base + "/{tag}", self.add)
        yield Route("GET", base + "/{tag}", self.check)
        yield Route("HEAD", base + "/{tag}", self.check)
        yield Route("DELETE", base + "/{tag}", self.remove)

    def _project(self, call: Call, action: str) -> Doc:
        if call.param("project") != call.caller.project_id or not action.startswith("get"):
            call.require_admin(f"identity:{action}")
        return need(self._model, "project", call.param("project"))

    def _put(self, project: Doc, tags: Iterable[str]) -> list[str]:
        unique = list(dict.fromkeys(tags))
        for tag in unique:
            if not 1 <= len(tag) <= 255 or "," in tag or "/" in tag:
                raise Fault(400, "Invalid input for tags: 1 to 255 characters, no comma or slash")
        if len(unique) > MOST_TAGS:
            raise Fault(400, f"Invalid input for tags: a project has at most {MOST_TAGS}")
        self._model.projects.put({**project, "tags": unique})
        return unique

    def list(self, call: Call) -> Reply:
        return Reply(body={"tags": self._project(call, "get_project_tags")["tags"]})

    def replace(self, call: Call) -> Reply:
        project = self._project(call, "update_project_tags")
        return Reply(body={"tags": self._put(project, parse_inner(TagsBody, call.body).tags)})

    def clear(self, call: Call) -> Reply:
        self._put(self._project(call, "delete_project_tags"), [])
        return Reply(204)

    def add(self, call: Call) -> Reply:
        project = self._project(call, "create_project_tag")
        self._put(project, [*project["tags"], call.param("tag")])
        path = f"{call.base_url}/identity/v3/projects/{project['id']}/tags/{call.param('tag')}"
        return Reply(201, headers={"Location": path})

    def check(self, call: Call) -> Reply:
        self._tagged(call, "get_project_tag")
        return Reply(204)

    def _tagged(self, call: Call, action: str) -> Doc:
        project = self._project(call, action)
        if call.param("tag") not in project["tags"]:
            raise Fault(404, f"Could not find project tag: {call.param('tag')}.")
        return project

    def remove(self, call: Call) -> Reply:
        project = self._tagged(call, "delete_project_tag")
        self._put(project, [t for t in project["tags"] if t != call.param("tag")])
        return Reply(204)
