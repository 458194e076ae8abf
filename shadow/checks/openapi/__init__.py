"""OpenAPI documents as checks read them: without trust, in one normal form, one level at a time."""
