"""Keeping equal with a place that speaks no SYNC: a live Citadel, a tree of files.

``plan`` decides, from what the place said last (its status), what is here and what is there.  ``take`` does it, in the
transaction of the records it speaks of.  ``back`` decides what is to be written into the place.  None of them knows
what kind of place it is, nor what keeps the records.
"""
