#!/usr/bin/env bash
# Runs one plan on several nodes of a Slurm cluster: starts a Ray cluster on them, plans, and ends it.
#
#   sbatch docs/deploy/slurm/plan.sh CONFIG [options of taskgroup run]
#
# The same line again goes on where an earlier one stopped. What it needs stands in docs/deploy/README.md.
#SBATCH --job-name=taskgroup
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --output=taskgroup-%j.log
# With GPUs: #SBATCH --gpus-per-node=1, and `--gpus 0.25` behind CONFIG for four trials on each.
set -euo pipefail

config=${1:?usage: sbatch plan.sh CONFIG [options of taskgroup run]}
shift

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 10000)) # jobs that share a node have ports of their own

# Nobody else on these machines may hand work to the cluster.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

# One part of the cluster per node, as a step each, which ends with this script. This script runs on the first node.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --block &
started=$!
joined() { # the head answers before it lets anybody in
  ray health-check --address "$1" && python -c 'import ray, sys; ray.init(sys.argv[1], log_to_driver=False)' "$1"
}
until joined "$head:$port" >/dev/null 2>&1; do
  kill -0 "$started" || { echo "Ray did not start on $head, see above" >&2; exit 1; }
  sleep 2
done
others=$((SLURM_JOB_NUM_NODES - 1))
if [ "$others" -gt 0 ]; then
  srun --nodes="$others" --ntasks="$others" --exclude="$head" \
    ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

# As many trials at once as there are CPUs, also while nodes are still joining.
taskgroup run "$config" --executor ray --address "$head:$port" "$@"
