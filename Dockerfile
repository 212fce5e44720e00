FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production DATA_DIR=/data STATIC_ROOT=/app/static HOST=0.0.0.0 PORT=8000

RUN useradd --system --create-home --uid 10001 clientele && install -d -o clientele -g clientele /data
WORKDIR /app

COPY requirements.lock .
RUN pip install --require-hashes -r requirements.lock

COPY . .
# Collecting files needs settings, no database; nothing of this environment stays in the image.
RUN SECRET_KEY=build-only FIELD_ENCRYPTION_KEYS=build-only ALLOWED_HOSTS=localhost DATABASE_URL=postgresql://build@localhost/none EMAIL_URL=dummymail:// \
    python manage.py collectstatic --noinput

USER clientele
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import os, urllib.request as r; \
host = os.environ.get('ALLOWED_HOSTS', '').split(',')[0].lstrip('.*') or 'localhost'; \
r.urlopen(r.Request('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', headers={'Host': host, 'X-Forwarded-Proto': 'https'}), timeout=4)"]
CMD ["python", "manage.py", "serve"]
