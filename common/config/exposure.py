"""That nothing which others can reach runs with a secret that everybody can read.

Owns: section `exposure`, the secrets that the documentation and the defaults give away, and which
service keeps what safe with them.
May not: start or stop anything; common/runtime and `muster up` ask before they start a service.
Crash story: none, pure functions.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr

from common.config.section import Section
from common.config.urls import password_in

if TYPE_CHECKING:
    from common.config.settings import Settings

PUBLISHED = frozenset({"admin", "demo", "guest", "muster", "postgres", "secret", "password"})
"""Words that are nobody's secret, whoever set them."""


class ExposureSettings(Section):
    published_on: str | None = None
    """The address on which others reach what this process listens on, where that is not the one it
    binds: a container binds all of its own and is published on one of the machine's."""


class _Secret(NamedTuple):
    setting: str
    services: frozenset[str]
    """Who uses it."""
    value: Callable[[Settings], str | None]

    @property
    def variable(self) -> str:
        return "MUSTER_" + self.setting.replace(".", "__").upper()


_WITH_IDENTITY = frozenset({"api", "conductor", "metadata"})
_WITH_DATABASE = frozenset({"api", "conductor", "consoles", "metadata", "scheduler"})
_WITH_BROKER = frozenset({"api", "compute", "conductor", "consoles", "scheduler"})
_STANDINS = frozenset({"standins"})


def _text(secret: SecretStr | None, url: str = "") -> str | None:
    """What counts: the setting, and without it what stands in the URL."""
    return password_in(url) if secret is None else secret.get_secret_value()


SECRETS = (
    _Secret("identity.password", _WITH_IDENTITY, lambda s: _text(s.identity.password)),
    _Secret(
        "compute.identity.password",
        frozenset({"compute"}),
        lambda s: _text(s.compute.identity.password),
    ),
    _Secret(
        "database.password", _WITH_DATABASE, lambda s: _text(s.database.password, s.database.url)
    ),
    _Secret(
        "bus.password", _WITH_BROKER, lambda s: password_in(s.bus.url) or _text(s.bus.password)
    ),
    _Secret("sealing.key", frozenset({"api", "conductor"}), lambda s: _text(s.sealing.key)),
    _Secret(
        "metadata.shared_secret", frozenset({"metadata"}), lambda s: _text(s.metadata.shared_secret)
    ),
    _Secret("standins.admin_password", _STANDINS, lambda s: _text(s.standins.admin_password)),
    _Secret("standins.demo_password", _STANDINS, lambda s: _text(s.standins.demo_password)),
    _Secret("standins.service_password", _STANDINS, lambda s: _text(s.standins.service_password)),
    _Secret("standins.host_password", _STANDINS, lambda s: _text(s.standins.host_password)),
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refusal(settings: Settings, service: str, *, broker: bool = True) -> str | None:
    """Why `service` may not start, and what to set; None: it may. Without a `broker` (everything
    in one process) the password of one does not matter."""
    address = next((host for host in _listens_on(settings, service) if not is_loopback(host)), None)
    if address is None:
        return None
    known = [
        secret.variable
        for secret in SECRETS
        if service in secret.services
        and (broker or secret.setting != "bus.password")
        and (value := secret.value(settings)) is not None
        and value in {"", *PUBLISHED}
    ]
    if not known:
        return None
    return (
        f"{service} can be reached on {address}, and everybody can read in the documentation what "
        f"it keeps safe: set {', '.join(known)} to values of your own, or listen on 127.0.0.1"
    )


def _listens_on(settings: Settings, service: str) -> Iterator[str]:
    if settings.exposure.published_on is not None:
        yield settings.exposure.published_on
        return
    own = {
        "api": settings.api.listen_host,
        "consoles": settings.consoles.listen_host,
        "metadata": settings.metadata.listen_host,
        "standins": settings.standins.listen_host,
        "compute": settings.compute.consoles.listen_host,
    }
    if service in own:
        yield own[service]
    if settings.health.listen_port is not None:
        yield settings.health.listen_host
