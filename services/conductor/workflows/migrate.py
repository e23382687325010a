"""Migrate a server cold: a resize to the flavor it has. See resize.py."""

from __future__ import annotations

from services.conductor.engine.definition import Definition
from services.conductor.workflows import moving, resize

MIGRATE = Definition(
    "migrate", resize.STEPS, failed=resize.failed, reroute=moving.another_destination
)
