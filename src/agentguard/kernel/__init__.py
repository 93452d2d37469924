"""Building blocks for every stage: errors, ids, clock, stable JSON, masking."""
