"""What the machine can do: device, number formats, memory, attention kernels."""
