"""The components of a region, one file each: its knobs, what can be done to it, its stories and its gauges, as data."""
