"""Devices that mean harm, in simulated federations: what they do, how it is measured, and what holds against it."""
