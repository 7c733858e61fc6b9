# Trunks of transfer: pretrained on simulated galaxies, and the embeddings that they give.
