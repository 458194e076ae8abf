"""Whether the candidate accepts every request that legacy does, and its answers can be read alike.

Once by the two OpenAPI documents, once by asking both services.
"""
