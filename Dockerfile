# One image for web, worker, beat and edge; Envoy runs from its own.
FROM python:3.11-slim
RUN useradd --system --create-home banyan
WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY . .
RUN BANYAN_STATE_DIR=/tmp python manage.py collectstatic --noinput && mkdir -p /edge && chown banyan /edge
USER banyan
ENV BANYAN_STATE_DIR=/tmp PYTHONUNBUFFERED=1
CMD ["gunicorn", "controlplane.asgi:application", "-k", "asgi", "-b", "0.0.0.0:8000"]
