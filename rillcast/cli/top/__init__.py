"""`rillcast top`: the cluster in a terminal, as it changes.

`picture` says what is shown, `history` what it was before, `reading` gets it from a signaling instance, and `screen`
draws it.
"""
