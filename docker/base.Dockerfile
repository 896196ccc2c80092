# The base image where the official Node image can be had; see base.sh.
ARG NODE_IMAGE
FROM ${NODE_IMAGE}
ARG PACKAGES
RUN apt-get update \
  && apt-get install -y --no-install-recommends ${PACKAGES} \
  && rm -rf /var/lib/apt/lists/*
