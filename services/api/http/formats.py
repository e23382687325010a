"""Formats of text that JSON Schema does not know, as the Compute API means them.

Owns: one predicate per format, used by the engine that decides and by the one that words failures.
May not: raise. Crash story: none, pure functions.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import re
import unicodedata
import uuid
from collections.abc import Callable

MOST_OF_A_REGEX = 1000
"""Characters; more than any column they are held against, and little to translate."""
_BASIC_PLANE_END = 0xFFFF


def _succeeds(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, TypeError, OverflowError, re.error, binascii.Error, RecursionError):
            return False
        return True

    return check


def _is_printable(character: str) -> bool:
    """A visible character or an ordinary blank of the basic plane."""
    category = unicodedata.category(character)
    return (
        ord(character) < _BASIC_PLANE_END
        and category[0] != "C"
        and (category[0] != "Z" or category == "Zs")
    )


def _printable(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or all(map(_is_printable, set(text)))


def _is_blank(character: str) -> bool:
    return unicodedata.category(character) == "Zs"


def _name(text: str) -> bool:
    """Without blanks around; an empty one is left to minLength, which says it better."""
    return _printable(text) and not (text and (_is_blank(text[0]) or _is_blank(text[-1])))


def _loose_name(text: str) -> bool:
    return _printable(text) and not all(map(_is_blank, set(text)))


def moment(text: str) -> dt.datetime:
    """A time as text, UTC unless it says otherwise; raises ValueError or OverflowError."""
    time = dt.datetime.fromisoformat(text)
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _parse_base64(text: str) -> None:
    base64.decodebytes(text.encode("utf-8"))


def _parse_regex(text: str) -> None:
    if not 0 < len(text) <= MOST_OF_A_REGEX:
        raise ValueError
    re.compile(text)


def _uri(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", text) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "name": _name,
    "name_with_leading_trailing_spaces": _loose_name,
    "az_name": lambda text: _name(text) and ":" not in text,
    "az_name_with_leading_trailing_spaces": lambda text: _loose_name(text) and ":" not in text,
    "nova-printable": _printable,
    "uuid": _succeeds(uuid.UUID),
    "date-time": _succeeds(moment),
    "cidr": _succeeds(lambda text: ipaddress.ip_network(text, strict=False)),
    "ipv4": _succeeds(ipaddress.IPv4Address),
    "ipv6": _succeeds(ipaddress.IPv6Address),
    "base64": _succeeds(_parse_base64),
    "regex": _succeeds(_parse_regex),
    "uri": _uri,
}
