"""The table of dialects: which spans say what, in YAML, one file a framework or convention."""
