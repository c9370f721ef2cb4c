"""Load on any WHIP, WHEP or Ant Media server: signalling in Python, media in one native thread.

`session` speaks to the server, `media` encodes once, `run` counts and times, `show` prints.
"""
