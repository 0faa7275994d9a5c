"""Dunning: plans, holds and the daily evaluation."""
