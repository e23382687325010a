"""The compute agent: carries out commands about the guests of its host or simulated hosts."""
