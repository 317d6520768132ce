# One image for every service; what a container is, its command says.
FROM node:24-bookworm-slim AS build
WORKDIR /skrei
COPY . .
# Scripts of dependencies do nothing that the image needs; the one of `node` would fetch a second Node.
RUN npm ci --ignore-scripts \
  && npm run generate \
  && npm prune --omit=dev --ignore-scripts \
  && rm -rf test bench docs .git node_modules/.cache

FROM node:24-bookworm-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/node-compile-cache
WORKDIR /skrei
COPY --from=build /skrei /skrei
USER node
ENTRYPOINT ["node"]
