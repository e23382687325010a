"""Every microversion change of the Compute API, named once.

Schemas, views and handlers say `versions.SERVER_TAGS`, never a bare number; 2.n is the integer n.
`since=X` and `v >= X`: with the change; `until=before(X)` and `v < X`: without it. A version that
changes several things has several names, so that each place says which one it means.
Owns: the names, in order, each with what it changed. May not: know how a change is carried out.
Crash story: none, a table.
"""

from __future__ import annotations

MAJOR = 2
MIN = 1
MAX = 104
NEVER = MAX + 1
"""Later than every version."""


class Change(int):
    """The microversion from which something is different; an ordinary integer otherwise."""

    summary: str

    @classmethod
    def at(cls, minor: int, summary: str) -> Change:
        change = cls(minor)
        change.summary = summary
        return change


def before(change: int) -> int:
    """The last version without a change, for `until`."""
    return change - 1


def show(version: int) -> str:
    """The text form, "2.96"."""
    return f"{MAJOR}.{version}"


def history() -> dict[str, Change]:
    """Every change by its name, oldest first."""
    return {name: value for name, value in globals().items() if isinstance(value, Change)}


# fmt: off
KEYPAIR_TYPES = Change.at(2, "A key pair has a type, ssh or x509.")
KEYPAIR_CODES = Change.at(2, "Making a key pair answers 201, deleting one 204.")
EXTENDED_ATTRIBUTES = Change.at(3, "Administrators see reservation, launch index, kernel, ramdisk, "
    "hostname, root device and user data of a server.")
ATTACHED_DELETE_ON_TERMINATION = Change.at(3, "A server's volumes say whether they go with it.")
FIXED_IP_RESERVED = Change.at(4, "Fixed IPs say whether they are reserved (removed since).")
IP6_FILTER_FOR_ALL = Change.at(5, "Everybody may filter servers by ip6.")
REMOTE_CONSOLES = Change.at(6, "One resource for all kinds of consoles.")
CONSOLE_ACTIONS_GONE = Change.at(6, "The server actions that made a console are gone.")
PUBLIC_FLAVOR_ACCESS_REFUSED = Change.at(7, "A public flavor refuses access for single projects.")
MKS_CONSOLES = Change.at(8, "Consoles by the protocol mks.")
SERVER_LOCKED = Change.at(9, "A server says whether it is locked.")
KEYPAIRS_OF_USERS = Change.at(10, "Key pairs of another user, by user_id.")
FORCED_DOWN = Change.at(11, "A compute service can be declared down.")
VIRTUAL_INTERFACE_NETWORK = Change.at(12, "Virtual interfaces name their network (removed since).")
SERVER_GROUP_OWNERS = Change.at(13, "A server group says whose it is.")
SHARED_STORAGE_FOUND = Change.at(14, "Evacuating finds out by itself whether storage is shared; "
    "it answers without a password.")
SOFT_AFFINITY = Change.at(15, "Server groups may have soft policies.")
HOST_STATUS = Change.at(16, "A server says how its host is.")
TRIGGER_CRASH_DUMP = Change.at(17, "A server can be told to dump its memory.")
PROJECT_OPTIONAL_IN_URL = Change.at(18, "URLs need no project.")
OWN_DESCRIPTION = Change.at(19, "Servers have a description of their own.")
VOLUMES_OF_SHELVED = Change.at(20, "Volumes come and go on shelved servers too.")
ACTIONS_OF_DELETED = Change.at(21, "What was done to a server can be read after its end.")
FORCE_COMPLETE = Change.at(22, "A live migration can be made to finish.")
SERVER_MIGRATIONS = Change.at(23, "A server's running live migrations can be read.")
MIGRATION_TYPE = Change.at(23, "Migrations have a type, running live migrations links.")
ABORT_LIVE_MIGRATION = Change.at(24, "A running live migration can be aborted.")
BLOCK_MIGRATION_AUTO = Change.at(25, "Live migration finds out whether disks must be copied; "
    "disk_over_commit is gone.")
SERVER_TAGS = Change.at(26, "Servers have tags, to be filtered by.")
STANDARD_VERSION_HEADER = Change.at(27, "OpenStack-API-Version is official.")
CPU_INFO_OBJECT = Change.at(28, "A hypervisor's cpu_info is an object.")
EVACUATE_FORCE = Change.at(29, "The scheduler checks a host to evacuate to, unless forced.")
LIVE_MIGRATE_FORCE = Change.at(30, "The scheduler checks a host to migrate to, unless forced.")
CONSOLE_TOKENS = Change.at(31, "Tokens of all kinds of consoles can be looked up.")
DEVICE_TAGS = Change.at(32, "Networks and disks of a new server can be tagged.")
HYPERVISORS_PAGED = Change.at(33, "Hypervisors come in pages.")
DISK_TAGS_SUSPENDED = Change.at(33, "Disks cannot be tagged for a while (by mistake).")
LIVE_MIGRATION_CHECKED_LATER = Change.at(34, "A live migration answers before it is checked; the "
    "instance action says what the checks found.")
KEYPAIRS_PAGED = Change.at(35, "Key pairs come in pages, sorted by name.")
PROXIES_GONE = Change.at(36, "What passed requests on to image, network and volume is gone.")
NETWORK_QUOTAS_GONE = Change.at(36, "Quota sets and limits are without networks.")
NETWORKS_REQUIRED = Change.at(37, "A new server says its networks, or auto, or none.")
NETWORK_TAGS_SUSPENDED = Change.at(37, "Networks cannot be tagged for a while (by mistake).")
UNKNOWN_STATUS_REFUSED = Change.at(38, "A filter by an unknown status is refused.")
IMAGE_METADATA_GONE = Change.at(39, "Metadata of images, its quota and limit are gone.")
USAGE_PAGED = Change.at(40, "Usage comes in pages.")
AGGREGATE_UUID = Change.at(41, "An aggregate has a UUID.")
DEVICE_TAGS_AGAIN = Change.at(42, "Networks and disks of a new server can be tagged again.")
HOSTS_GONE = Change.at(43, "os-hosts is gone.")
ADDRESS_ACTIONS_GONE = Change.at(44, "Actions that add and remove addresses are gone.")
IMAGE_ID_IN_BODY = Change.at(45, "Making an image of a server answers its id in the body.")
REQUEST_ID_HEADER = Change.at(46, "X-OpenStack-Request-ID is official.")
FLAVOR_EMBEDDED = Change.at(47, "A server shows what its flavor was when it was made.")
DIAGNOSTICS_UNIFORM = Change.at(48, "Diagnostics look the same for all hypervisors.")
ATTACH_TAGS = Change.at(49, "Attached interfaces and volumes can be tagged.")
QUOTA_CLASS_GROUPS = Change.at(50, "Quota classes have server groups.")
QUOTA_CLASS_NETWORKS_GONE = Change.at(50, "Quota classes are without networks.")
VOLUME_EXTENDED_EVENT = Change.at(51, "An event for a volume that has grown.")
EVENTS_FOR_READERS = Change.at(51, "Readers see the events of an action; traces need a rule.")
CREATE_TAGS = Change.at(52, "A new server can have tags.")
SERVICE_UUIDS = Change.at(53, "A service is named by its UUID, also to change it.")
HYPERVISOR_UUIDS = Change.at(53, "A hypervisor is named by its UUID; queries replace the "
    "paths search and servers.")
REBUILD_KEY_NAME = Change.at(54, "Rebuilding can change the key pair.")
FLAVOR_DESCRIPTION = Change.at(55, "Flavors have a description.")
MIGRATE_HOST = Change.at(56, "A cold migration can name its host.")
PERSONALITY_GONE = Change.at(57, "Files for a guest, their limits and quotas are gone.")
REBUILD_USER_DATA = Change.at(57, "Rebuilding can change the user data.")
ACTIONS_PAGED = Change.at(58, "What was done to a server comes in pages.")
ACTION_UPDATED_AT = Change.at(58, "An instance action says when it last changed.")
MIGRATIONS_PAGED = Change.at(59, "Migrations come in pages.")
MIGRATION_UUID = Change.at(59, "A migration has a UUID.")
MULTIATTACH = Change.at(60, "A volume may be attached to several servers.")
FLAVOR_EXTRA_SPECS = Change.at(61, "Flavors show their extra specs.")
EVENT_HOST = Change.at(62, "Events of an action say on which host.")
TRUSTED_CERTIFICATES = Change.at(63, "Servers can ask for images signed with certain certificates.")
SERVER_GROUP_RULES = Change.at(64, "A server group has one policy with rules.")
ABORT_QUEUED_MIGRATION = Change.at(65, "A live migration can be aborted before it runs.")
CHANGES_BEFORE = Change.at(66, "Lists can be limited to what changed before a time.")
VOLUME_TYPE = Change.at(67, "Volumes made with a server can have a type.")
FORCE_GONE = Change.at(68, "No move passes by the scheduler any more.")
UNREACHABLE_CELLS = Change.at(69, "What cannot be reached is shown with what is known of it.")
ATTACH_TAGS_SHOWN = Change.at(70, "Attached interfaces and volumes show their tags.")
GROUPS_OF_SERVER = Change.at(71, "A server shows its groups.")
PORT_RESOURCES = Change.at(72, "New servers may have ports that ask for resources.")
LOCKED_REASON = Change.at(73, "A lock can have a reason.")
LOCKED_FILTER = Change.at(73, "Servers can be filtered and sorted by their lock.")
REQUESTED_HOST = Change.at(74, "A new server can name host and hypervisor.")
UNKNOWN_KEYS_REFUSED = Change.at(75, "Most operations refuse names they do not know.")
FULL_SERVER_ANSWERS = Change.at(75, "Changing and rebuilding a server answer all of it.")
SWAP_NUMBER = Change.at(75, "A flavor without swap says 0.")
HYPERVISOR_SERVERS_ALWAYS = Change.at(75, "A hypervisor without servers shows an empty list.")
POWER_UPDATE_EVENT = Change.at(76, "An event for a server switched from outside.")
UNSHELVE_ZONE = Change.at(77, "Unshelving can name a zone.")
TOPOLOGY = Change.at(78, "A server's NUMA topology can be read.")
DELETE_ON_TERMINATION = Change.at(79, "Attaching says whether the volume goes with the server.")
MIGRATION_OWNERS = Change.at(80, "Migrations say whose they are, and are filtered by it.")
CACHE_IMAGES = Change.at(81, "Images can be put on the hosts of an aggregate beforehand.")
ACCELERATOR_EVENT = Change.at(82, "An event for an accelerator that is bound.")
SERVER_FILTERS_FOR_ALL = Change.at(83, "Everybody may filter servers by more of their columns.")
EVENT_DETAILS = Change.at(84, "A failed event of an action says why.")
UPDATE_ATTACHMENT = Change.at(85, "Whether a volume goes with its server can be changed.")
EXTRA_SPECS_CHECKED = Change.at(86, "Extra specs of known namespaces are checked.")
RESCUE_VOLUME_BACKED = Change.at(87, "Servers on a volume can be rescued.")
HYPERVISOR_SIZES_GONE = Change.at(88, "Hypervisors show no sizes and use; statistics are gone.")
ATTACHMENT_IDS = Change.at(89, "An attached volume shows its attachment and device mapping.")
HOSTNAME = Change.at(90, "A server's hostname can be chosen, and everybody sees it.")
UNSHELVE_HOST = Change.at(91, "Unshelving can name a host, or let go of the zone.")
KEYPAIR_IMPORT_ONLY = Change.at(92, "Key pairs are made of a public key only.")
KEYPAIR_NAME_CHARACTERS = Change.at(92, "Names of key pairs may have @ and dots.")
REIMAGE_VOLUME = Change.at(93, "Rebuilding a server on a volume writes its image anew.")
VOLUME_REIMAGED_EVENT = Change.at(93, "An event for a volume whose image is written anew.")
HOSTNAME_DOMAIN = Change.at(94, "A hostname may be a whole domain name.")
EVACUATED_STOPPED = Change.at(95, "An evacuated server is stopped.")
PINNED_ZONE = Change.at(96, "A server shows the zone it is kept in.")
SHARES = Change.at(97, "Servers can have shares.")
IMAGE_PROPERTIES = Change.at(98, "A server shows the properties of its image.")
SPICE_DIRECT = Change.at(99, "SPICE consoles without a proxy.")
CONSOLE_TOKEN_QUERY_CLOSED = Change.at(99, "Looking up a console token refuses parameters.")
SCHEDULER_HINTS = Change.at(100, "A server shows the hints it was made with.")
ATTACH_WITHOUT_BODY = Change.at(101, "Attaching a volume answers 202 without a body.")
FLAVOR_NAME_FILTER = Change.at(102, "Flavors can be filtered by name.")
FLAVOR_FACTOR_GONE = Change.at(102, "Flavors are without rxtx_factor and disabled.")
EVERY_QUERY_CLOSED = Change.at(102, "Reads refuse query parameters they do not know.")
VOLUMES_BOOT_GONE = Change.at(103, "os-volumes_boot is gone.")
CHANGE_PINNED_ZONE = Change.at(104, "The zone a server is kept in can be changed.")
