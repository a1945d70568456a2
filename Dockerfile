# Shoal's image: Debian testing with Docker, CRIU and what they need, and Shoal itself with its own Node.js 24.
# `npm run build` first; npm never runs in here. Without a registry: --build-arg BASE=<image made by test/lab/build-image.sh>.
ARG BASE=debian:testing

FROM ${BASE} AS lab
# The lab stops here and mounts dist/ at /usr/lib/shoal, so that a code change restarts daemons, not engines.
COPY test/lab/packages.txt /tmp/packages.txt
RUN xargs dpkg -s < /tmp/packages.txt > /dev/null 2>&1 \
  || { apt-get update && xargs apt-get install -y --no-install-recommends < /tmp/packages.txt && rm -rf /var/lib/apt/lists/*; }
RUN rm /tmp/packages.txt && mkdir -p /usr/lib/shoal && ln -s ../lib/shoal/shoal /usr/bin/shoal

FROM lab AS shoal
COPY dist/ /usr/lib/shoal/
EXPOSE 4747
CMD ["shoal", "up"]
