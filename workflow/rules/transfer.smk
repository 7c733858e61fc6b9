# Pretrained networks for lens discovery (akhazhanov2018): stamps, folds and figures of the data.

TRANSFER_DRAWN = (
    {}
)  # every figure of akhazhanov2018: name -> the tables it draws; each file of rules adds its own
