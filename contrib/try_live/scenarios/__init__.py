"""Scenarios: what happens on both of two servers at once, or on one while something else does on the other.

Each is a function in one of the modules beside this one, and a row of the table.
"""
