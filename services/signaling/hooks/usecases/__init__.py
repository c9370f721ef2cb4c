"""How events become due, and how they get to their receivers."""
