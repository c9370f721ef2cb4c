"""`rillcast invite` and `rillcast join`: a new machine gets the keys of its kinds from one that has them."""
