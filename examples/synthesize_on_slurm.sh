#!/bin/bash
# Generates the missing images of every portion of ./study in 8 jobs; the job that completes a set writes its manifest.
#   sbatch examples/synthesize_on_slurm.sh pona.pt
#SBATCH --job-name=reidaug-synthesize
#SBATCH --array=0-7
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --time=01:00:00
set -euo pipefail
srun reidaug synthesize --ckpt "$1"
