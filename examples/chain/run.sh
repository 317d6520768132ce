#!/bin/sh
# Three jobs, each over what the one before it produced. `SKREI` is how the CLI is called.
set -eu
cd "$(dirname "$0")/.."
skrei=${SKREI:-npx skrei}

counts=$($skrei run -d -f wordcount/job.yaml)
$skrei job wait "$counts"

# The three partitions' outputs are the folders 0, 1 and 2.
sums=$($skrei wasm run -d sha256-tree/sha256-tree.wasm -i "job:$counts/outputs:/folder" -o outputs:/outputs -- /folder)
$skrei job wait "$sums"

$skrei wasm run wordcount/wordcount.wasm -i "job:$sums/outputs:/texts" -o outputs:/outputs -- /texts
