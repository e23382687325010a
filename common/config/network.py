"""How servers and their ports are kept together.

Owns: the section `network`. May not: read anything. Crash story: none.
"""

from __future__ import annotations

from pydantic import Field

from common.config.section import Section


class NetworkSettings(Section):
    """Waiting for ports, and looking after what servers show of them."""

    vif_plugging_timeout_s: float = Field(default=300.0, ge=0)
    """A build waits this long for its ports to carry traffic (Nova's vif_plugging_timeout); 0: it
    does not wait. Ports that do as soon as they are bound cost no time."""
    vif_plugging_is_fatal: bool = True
    """Whether a build fails when they do not in time (Nova's vif_plugging_is_fatal); if not, the
    server starts without."""
    vif_plugging_look_s: float = Field(default=5.0, gt=0)
    """While it waits for the network service's word it looks by itself, too, this often."""
    refresh_interval_s: float = Field(default=10.0, ge=0)
    """Every so often one page of servers is compared with the network service, whether it has said
    anything or not; 0: never."""
    refresh_page: int = Field(default=100, ge=1, le=1000)
    """Servers in one page."""
    attach_answer_s: float = Field(default=60.0, gt=0)
    """A request to attach an interface waits this long for the end of it."""
