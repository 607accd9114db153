"""The score record: its schema, its digests, what is declared, and whether two records compare."""
