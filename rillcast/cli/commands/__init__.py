"""Commands about what a cluster has: a module for each noun, imported when it is asked for."""
