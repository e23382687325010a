"""Microversions: 2.n is the plain integer n.

Owns: the range this API speaks and how a request names the version it wants.
May not: know what a version means for any operation. Crash story: none, pure functions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from services.api.http.faults import HttpError
from services.api.identifiers import parse_number
from services.api.versions import MAJOR, MAX, MIN, show

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD_HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
_SERVICE = "compute"
_FORM = re.compile(r"([1-9][0-9]*)\.(0|[1-9][0-9]*)", re.ASCII)


class MalformedVersion(HttpError):
    """The version header is no version at all; the answer carries no version headers."""

    def __init__(self, text: str) -> None:
        super().__init__(
            400,
            f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.",
        )


class VersionOutOfRange(HttpError):
    """A well-formed version nobody speaks; the answer's version headers repeat it."""

    def __init__(self, text: str) -> None:
        super().__init__(
            406,
            f"Version {text} is not supported by the API. "
            f"Minimum is {show(MIN)} and maximum is {show(MAX)}.",
        )
        self.version = text


def requested(headers: Mapping[str, str]) -> int:
    """The version the headers ask for; `MIN` when they name none.

    Raises `MalformedVersion` or `VersionOutOfRange`.
    """
    text = _named(headers)
    if text is None:
        return MIN
    if text == "latest":
        return MAX
    form = _FORM.fullmatch(text)
    if form is None:
        raise MalformedVersion(text)
    minor = parse_number(form[2])
    if form[1] != str(MAJOR) or minor is None or not MIN <= minor <= MAX:
        raise VersionOutOfRange(text)
    return minor


def shown(headers: Mapping[str, str]) -> str | None:
    """What the answer's version headers say; None when the request's make no sense."""
    try:
        return show(requested(headers))
    except VersionOutOfRange as error:
        return error.version
    except MalformedVersion:
        return None


def _named(headers: Mapping[str, str]) -> str | None:
    """The version text for this service; the standard header wins over the older one."""
    standard = headers.get(STANDARD_HEADER)
    if standard is not None:
        for entry in reversed(standard.split(",")):
            service, _, version = entry.strip().partition(" ")
            if service.lower() == _SERVICE and version.strip():
                return version.strip()
    legacy = headers.get(LEGACY_HEADER)
    return None if legacy is None else legacy.strip()
