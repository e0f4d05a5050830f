"""Audits: what attackers measured of a run, against what it promises."""
