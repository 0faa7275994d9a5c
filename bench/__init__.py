"""The benchmark suite: every line is a ratio against a stated baseline, measured in one run."""
