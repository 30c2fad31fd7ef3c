"""What is added to a loaded model without changing its file: weight adapters, embeddings, hypernetworks."""
