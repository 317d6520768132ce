/** The engine that `npm run setup:test` started, or the one that DOCKER_HOST names. */
export const DOCKER_HOST = process.env["DOCKER_HOST"] ?? "unix:///run/skrei-engine/docker.sock";
