# Two images: `runner` is what Jobs run, `operator` what watches. Neither has the other's libraries, nor a build tool.
#   docker build --target runner -t dbmigrations/runner:dev .
#   docker build --target operator -t dbmigrations/operator:dev .
ARG BASE_IMAGE=debian:trixie-slim

FROM ${BASE_IMAGE} AS base
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log

FROM base AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
# pip stays in this stage's own environment: the one that is copied has nothing but what runs.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/dbmigrations
WORKDIR /source
# Libraries first, beside an empty package: a change of our own code then rebuilds in seconds.
COPY pyproject.toml ./
RUN mkdir -p operator/dbmigrations && touch operator/dbmigrations/__init__.py

FROM build AS runner-build
RUN /build/bin/pip --python /opt/dbmigrations/bin/python install --no-cache-dir '.[runner]'
# boto3 describes every service of AWS, 25 MB in all: a bucket and the ways to get credentials are used.
RUN cd /opt/dbmigrations/lib/python3*/site-packages/botocore/data \
 && for service in */; do case "$service" in s3/|sts/|sso/|sso-oidc/|signin/) ;; *) rm -r "$service" ;; esac; done
COPY operator ./operator
RUN /build/bin/pip --python /opt/dbmigrations/bin/python install --no-cache-dir --no-deps --force-reinstall .

FROM build AS operator-build
RUN /build/bin/pip --python /opt/dbmigrations/bin/python install --no-cache-dir '.[operator]'
COPY operator ./operator
RUN /build/bin/pip --python /opt/dbmigrations/bin/python install --no-cache-dir --no-deps --force-reinstall .

# Two programs of the package are used; the rest of it would bring Perl along.
FROM base AS postgresql
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql-client-17

FROM base AS runner
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libpq5 liblz4-1 libzstd1 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=postgresql /usr/lib/postgresql/17/bin/pg_dump /usr/lib/postgresql/17/bin/pg_restore /usr/lib/postgresql/17/bin/
# A library that is missing is to be noticed here, not in a Job.
RUN /usr/lib/postgresql/17/bin/pg_dump --version && /usr/lib/postgresql/17/bin/pg_restore --version
COPY --from=runner-build /opt/dbmigrations /opt/dbmigrations
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["/opt/dbmigrations/bin/python", "-I", "-m", "dbmigrations.runner"]

FROM base AS operator
COPY --from=operator-build /opt/dbmigrations /opt/dbmigrations
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/dbmigrations/bin:/usr/bin:/bin
USER 65532:65532
ENTRYPOINT ["/opt/dbmigrations/bin/python", "-m", "dbmigrations.controller"]
