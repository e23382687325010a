"""Roles that mean something to Muster's own code; all others are the business of policy.

Owns: their names. May not: decide. Crash story: none, constants.
"""

from __future__ import annotations

IMAGE_UPLOADER = "image_uploader"
"""Gives the images of servers their data and does nothing else anywhere. The role of hosts."""
