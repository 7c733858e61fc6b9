# Metrics, tables and figures of akhazhanov2018.
