"""Demo data: two businesses and fourteen months of their invoices, told through the services."""
