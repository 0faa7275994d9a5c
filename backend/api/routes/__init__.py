"""The endpoints, by the part of the product they open."""
