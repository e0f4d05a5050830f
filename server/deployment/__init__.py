"""A server that devices reach: its directory, its processes, its front door, the devices and runs that it knows."""
