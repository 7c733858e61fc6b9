# Pretrained networks for lens discovery (akhazhanov2018): stamps, folds and figures of the data.
