"""Writes the templates of clouds, deploy/aws and deploy/azure: `python -m scripts.clouds`.

Both hold five groups of machines that differ in little, so they are made from one table, `groups`.
"""
