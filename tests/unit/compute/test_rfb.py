"""Letters and pixels of the simulated guests' screen."""

from __future__ import annotations

import struct

import pytest

from services.compute.drivers.simulated.consoles import font
from services.compute.drivers.simulated.consoles.rfb import (
    CELL_HEIGHT,
    WIDTH,
    Painter,
    PixelFormat,
    ProtocolError,
)


def test_every_printable_letter_has_a_shape_of_its_own() -> None:
    printable = {chr(code) for code in range(0x20, 0x7F)}
    assert printable | {font.CURSOR} == set(font.GLYPHS)
    assert len(set(font.GLYPHS.values())) == len(font.GLYPHS)
    assert {len(rows) for rows in font.GLYPHS.values()} == {font.HEIGHT}
    assert font.GLYPHS["T"][:2] == (0b11111, 0b00100)


@pytest.mark.parametrize(
    ("wanted", "white"),
    [
        (PixelFormat(), b"\xff\xff\xff\x00"),
        (PixelFormat(big_endian=1), b"\x00\xff\xff\xff"),
        (PixelFormat(16, 16, 0, 1, 31, 63, 31, 11, 5, 0), b"\xff\xff"),
        (PixelFormat(16, 15, 1, 1, 31, 31, 31, 10, 5, 0), b"\x7f\xff"),
        (PixelFormat(8, 8, 0, 1, 7, 7, 3, 0, 3, 6), b"\xff"),
    ],
)
def test_pixels_are_as_the_client_wants_them(wanted: PixelFormat, white: bytes) -> None:
    assert PixelFormat.read(wanted.packed()) == wanted
    assert wanted.pixel((255, 255, 255)) == white
    assert wanted.pixel((0, 0, 0)) == bytes(len(white))
    assert len(Painter(wanted).row("héllo")) == WIDTH * CELL_HEIGHT * len(white)


@pytest.mark.parametrize("values", [(32, 24, 0, 0), (24, 24, 0, 1), (0, 0, 0, 1)])
def test_formats_that_cannot_be_served_are_refused(values: tuple[int, int, int, int]) -> None:
    data = struct.pack(PixelFormat.LAYOUT, *values, 255, 255, 255, 0, 8, 16)
    with pytest.raises(ProtocolError):
        PixelFormat.read(data)
    hostile = PixelFormat(8, 8, 0, 1, 65535, 65535, 65535, 255, 255, 255)
    assert len(hostile.pixel((255, 255, 255))) == 1
