"""The page a person looks at: contact sheets."""
