"""From a request to finished pictures, on the GPU thread."""
