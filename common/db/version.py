"""The migration this code was written for. Bumped with every new file in migrations/versions."""

SCHEMA_VERSION = "0009"
