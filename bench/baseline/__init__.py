"""The straightforward way, as a competent engineer writes it: what ours is held against."""
