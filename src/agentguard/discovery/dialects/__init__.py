"""The dialect table in YAML: how each framework or convention writes its spans, one file each."""
