"""Simulated hosts: a product for CI, laptops, load and chaos, with no hypervisor under it."""

from services.compute.drivers.simulated.driver import SimulatedDriver
from services.compute.drivers.simulated.verbs import FAULTY

__all__ = ["FAULTY", "SimulatedDriver"]
