"""REST: Ant Media's API and our own, and the document that describes it."""
