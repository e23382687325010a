"""Simulated hosts: a product for CI, laptops, load and chaos, with no hypervisor under it."""

from services.compute.drivers.simulated.driver import SimulatedDriver
from services.compute.drivers.simulated.faults import Effect, FaultRegistry, FaultRule, Stage

__all__ = ["Effect", "FaultRegistry", "FaultRule", "SimulatedDriver", "Stage"]
