"""What a guest is told about itself, in every form and version that guests ask for.

    facts.py         the facts, from a server's row and what the network service knows
    openstack.py     /openstack/<version>/...: which document each version has, and what is in it
    network_data.py  network_data.json
    devices.py       devices with the tags that users gave them
    ec2.py           /<version>/meta-data/...: the tree of the EC2 form
    drive.py         the same as the files of a config drive

Owns: the content. The metadata service and config drives are both made here from the same facts, so
what they say is equal.
May not: do I/O, or know who asks.
Crash story: none; pure functions.
"""
