"""The seeded image is a QCOW2 file whose tables lead to its content."""

from __future__ import annotations

import struct

from services.standins.image import qcow2


def read_disk(image: bytes, offset: int, length: int) -> bytes:
    """What a guest would read: through L1 and L2, as the format says; zero where nothing is."""
    (l1_size, l1_offset) = struct.unpack_from(">IQ", image, 36)
    cluster = 1 << struct.unpack_from(">I", image, 20)[0]
    mask = (1 << 56) - 512
    result = b""
    while length:
        number, within = divmod(offset, cluster)
        l1_index, l2_index = divmod(number, cluster // 8)
        assert l1_index < l1_size
        l2 = struct.unpack_from(">Q", image, l1_offset + 8 * l1_index)[0] & mask
        data = struct.unpack_from(">Q", image, l2 + 8 * l2_index)[0] & mask if l2 else 0
        take = min(length, cluster - within)
        result += image[data + within : data + within + take] if data else b"\0" * take
        offset, length = offset + take, length - take
    return result


def test_content_is_found_through_the_tables() -> None:
    content = bytes(range(256)) * 50
    image = qcow2.build(content, 112 << 20)
    assert qcow2.virtual_size_of(image[:32]) == 112 << 20
    assert read_disk(image, 0, len(content)) == content
    assert read_disk(image, len(content), 100) == b"\0" * 100
    assert read_disk(image, 100 << 20, 10) == b"\0" * 10
    refcount_table = struct.unpack_from(">Q", image, 48)[0]
    refcount_block = struct.unpack_from(">Q", image, refcount_table)[0]
    clusters = len(image) // qcow2.CLUSTER_BYTES
    counts = struct.unpack_from(f">{clusters + 1}H", image, refcount_block)
    assert counts == (*[1] * clusters, 0)


def test_other_bytes_have_no_virtual_size() -> None:
    assert qcow2.virtual_size_of(b"") is None
    assert qcow2.virtual_size_of(b"\x7fELF" + b"\0" * 60) is None


def test_a_large_disk_is_still_a_small_file() -> None:
    for size_gib in (1, 2, 5000):
        image = qcow2.build(b"content", size_gib << 30)
        assert qcow2.virtual_size_of(image[:32]) == size_gib << 30
        assert read_disk(image, 0, 8) == b"content\0"
        assert read_disk(image, (size_gib << 30) - 10, 10) == b"\0" * 10
        assert len(image) <= 6 << 21
