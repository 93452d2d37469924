"""Request bodies and documents, as OpenAPI shows them."""
