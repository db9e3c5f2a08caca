"""Machines for trying out what an administrator types: a root, a network and a name each, where this kernel lets one be
made.  What runs on them sees nothing of the machine that they are made on but its programs."""
