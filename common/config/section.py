"""What every section of the settings is made of.

Owns: the base class. May not: read anything. Crash story: none.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Unknown fields are refused by name; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
