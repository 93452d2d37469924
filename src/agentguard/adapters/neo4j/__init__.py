"""The newest graph in Neo4j."""
