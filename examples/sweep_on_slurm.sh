#!/bin/bash
# The paper's Table VI in 8 jobs on one study; each takes a share of the baselines. If a job was stopped, submit the whole array
# again: what is done is skipped.
#   sbatch examples/sweep_on_slurm.sh Market-1501-v15.09.15 pona.pt
#SBATCH --job-name=reidaug-sweep
#SBATCH --array=0-7
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --time=12:00:00
set -euo pipefail
srun reidaug sweep --data "$1" --ckpt "$2" --portions 0.2,0.4,0.6,0.8 --recipe paper --seeds 3 --controls all
