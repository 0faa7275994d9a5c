"""The straightforward way, as a competent engineer writes it on a first day: what ours is held against."""
