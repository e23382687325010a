# Shorthands; ./muster is the real command.
.PHONY: up down status test lint locks image

up down status test lint:
	./muster $@

# After a change of the dependencies in pyproject.toml. UPGRADE=1 takes the newest versions.
locks:
	deploy/locks/compile $(if $(UPGRADE),--upgrade)

image:
	docker build -t muster:latest -f deploy/docker/Dockerfile .
