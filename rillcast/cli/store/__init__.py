"""`rillcast backup` and `rillcast restore`: what lasts of the store, in one file and back."""
