"""The pages in docs/reference, written from the code that they describe.

`python -m scripts.reference` (or `make reference`) writes them. A test renders them again and fails when one is stale.
"""
