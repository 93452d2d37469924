"""What every stage may use: errors, ids, clock, canonical JSON, paging."""
