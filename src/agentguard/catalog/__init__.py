"""What people declared, matched against what was seen."""
