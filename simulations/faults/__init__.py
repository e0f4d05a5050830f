"""What kills do to a federation: every process, in every phase of a round, with real servers and devices."""
