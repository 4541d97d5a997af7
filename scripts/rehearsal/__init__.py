"""The parts of scripts/rehearse: the guest's image, the machine, its traffic, and the report."""
