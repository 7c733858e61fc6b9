# Cross-validation of transfer: heads on embeddings, whole networks, classical methods, and the leaks.
