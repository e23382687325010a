"""Just enough of the QCOW2 format.

Owns: reading the virtual size out of a header, building the small image that is seeded.
May not: read files. Crash story: pure functions.

Layout of a built image, in clusters of 4 KiB (larger ones for disks over 1 GiB): 0 header,
1 refcount table, 2 refcount block, 3 L1 table, 4 L2 table, 5 and on data. `qemu-img check` finds
nothing to complain about.
"""

from __future__ import annotations

import struct

MAGIC = b"QFI\xfb"
CLUSTER_BITS = 12
CLUSTER_BYTES = 1 << CLUSTER_BITS
CLUSTER_SIZES_BITS = (CLUSTER_BITS, 16, 21)
FIRST_DATA_CLUSTER = 5
COPIED = 1 << 63
"""Flag of an L1 or L2 entry: this cluster has one user and may be written in place."""


def virtual_size_of(head: bytes) -> int | None:
    """Bytes of the disk inside, from the first 32 bytes of the file; None for other formats."""
    if len(head) < 32 or not head.startswith(MAGIC):
        return None
    return int(struct.unpack_from(">Q", head, 24)[0])


def build(content: bytes, virtual_size_bytes: int) -> bytes:
    """An image whose disk starts with `content` and is zero behind it."""
    bits = _cluster_bits(virtual_size_bytes)
    cluster = 1 << bits
    data_clusters = -(-len(content) // cluster)
    clusters = FIRST_DATA_CLUSTER + data_clusters
    per_l2_table = cluster // 8 * cluster
    l1_entries = -(-virtual_size_bytes // per_l2_table)
    if data_clusters > cluster // 8:
        raise ValueError("too large for one L2 cluster")
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        MAGIC,
        3,
        0,  # no backing file: offset
        0,  # and length
        bits,
        virtual_size_bytes,
        0,  # not encrypted
        l1_entries,
        3 * cluster,
        1 * cluster,
        1,  # cluster of refcount table
        0,  # no snapshots
        0,
        0,  # no incompatible,
        0,  # compatible
        0,  # or autoclear features
        4,  # refcounts of 16 bits
        104,  # header length
    )
    refcount_table = struct.pack(">Q", 2 * cluster)
    refcount_block = struct.pack(f">{clusters}H", *[1] * clusters)
    l1_table = struct.pack(">Q", 4 * cluster | COPIED)
    data_offsets = range(FIRST_DATA_CLUSTER, clusters)
    l2_table = struct.pack(f">{data_clusters}Q", *[n * cluster | COPIED for n in data_offsets])
    parts = [header, refcount_table, refcount_block, l1_table, l2_table]
    padded = b"".join(part.ljust(cluster, b"\0") for part in parts)
    return padded + content.ljust(data_clusters * cluster, b"\0")


def _cluster_bits(virtual_size_bytes: int) -> int:
    """The smallest clusters of which one holds the whole L1 table."""
    for bits in CLUSTER_SIZES_BITS:
        if virtual_size_bytes <= 1 << (3 * bits - 6):
            return bits
    raise ValueError("too large for one L1 cluster")
