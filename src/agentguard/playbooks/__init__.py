"""What to do, step by step, with evidence."""
