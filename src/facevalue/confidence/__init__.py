"""How far to trust a column: prediction sets, intervals, bands and abstention. Knows columns, no models."""
