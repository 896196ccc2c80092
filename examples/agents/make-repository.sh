#!/bin/sh
# Makes the repository that the agents work on: make-repository.sh DIR, a bare one with project/ as its first commit.
set -eu
project=$(cd "$(dirname "$0")/project" && pwd)
repository=$1
git init --quiet --bare --initial-branch=main "$repository"
git -C "$repository" --work-tree="$project" -c core.bare=false add --all
git -C "$repository" --work-tree="$project" -c core.bare=false -c user.name=Fleet -c user.email=fleet@example.org \
  commit --quiet --message 'A small library of functions on words'
