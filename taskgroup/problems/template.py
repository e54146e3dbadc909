"""Template: the text around what ``taskgroup init`` finds in a table."""

HEAD = """\
# What to share between the tasks of {file}, written by `taskgroup init`: read it through, then
#   taskgroup run {config}
# Guesses stand beside what they concern. Everything commented out below is the default.

name: {name}

problem:
  source: table
  path: {path}
"""

TRUNK = """\
# The network to be shared, cut into stages (mlp: block1, block2, …); `conv` takes images, `transformer` sequences.
trunk: {name: mlp, width: 64, depth: 3}

# Every random number follows from this.
seed: 0
"""

TAIL = """\

# How every network is trained, the same for all that are compared.
# train:
#   steps: 600
#   batch_size: 64
#   lr: 0.002
#   weight_decay: 0.01
#   n_checks: 4
#   threads: 1

# A short joint training in which the effect of each task on each other is measured.
# measure:
#   affinity: {method: lookahead}
#   seeds: 2
#   every: auto
#   average: trimmed
#   trim: 0.1
#   window: auto
#   stop: settled
#   min_looks: 40

# Which groupings follow from that.
# propose:
#   groupers:
#   - {method: hierarchical, linkage: average}
#   - {method: hierarchical, linkage: complete}
#   - {method: hierarchical, linkage: ward}
#   - {method: spectral}
#   resampled_trees: 3
#   draws: 50
#   symmetrization: centred-mean
#   constraints: {must_link: [], cannot_link: [], max_size: null, n_groups: null, max_groups: null}

# Branch points and adapter sizes are searched with so many candidates.
# search:
#   trials: 40
#   prune: true
#   adapters: {kind: bottleneck, sizes: [0, 4, 16], per: task}

# Upper limits on the cost, relative to sharing everything (2.0: twice as much); null is none.
# limits:
#   params_ratio: null
#   macs_ratio: null

# The finalists and both baselines are trained again on fresh seeds; intervals come from these.
# confirm:
#   seeds: 5
#   finalists: 3
#   level: 0.9
#   cheapest_by: macs

# Formats to write besides the spec itself.
# export:
#   formats: [json, mermaid]
"""
"""The other sections with their defaults; without the leading ``# `` they are valid YAML."""
