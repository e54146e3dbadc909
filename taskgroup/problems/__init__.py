"""Problems: reads tasks, data and trunk from bundled sets, tables or Python; knows nothing of affinity or search."""
