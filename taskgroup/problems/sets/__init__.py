"""Multi-task sets that describe themselves: one NPZ file each; knows the format, and no set by name.

- ``meta``: JSON bytes with ``name``, ``kind``, ``modality``, ``tasks`` (``name``, ``type``), ``metric``,
  ``default_split``; what is left out is found in the arrays.
- Labels: ``Y (N, T)`` where tasks share their rows (``kind: shared``), or ``y (N,)`` and ``task_id (N,)`` where each
  row belongs to one task (``kind: separate``); missing is NaN, for class labels also any negative number.
- Inputs: ``X`` of any rank, ``X_bits`` (packed along axis 1, ``n_bits`` in ``meta``), ``X_cat`` and ``X_num``,
  ``X_count`` and ``X_desc``, or ``tok_flat`` and ``tok_off`` (token ids of documents one after the other).
- Splits: ``split_NAME``, ``(N,)`` or ``(K, N)``: 0 train, 1 val, 2 test, -1 unused.
"""
