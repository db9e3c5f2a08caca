"""What is replicated and how versions of it merge.  No I/O, no clock, no store: values in, values out."""
