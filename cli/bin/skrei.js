#!/usr/bin/env node
// Answers --version before anything is loaded; the rest of the program is TypeScript that Node runs as it stands. This file alone is
// written for any Node, so that an old one is told by name and not by a syntax error.
import module from "module";
import process from "process";

const NEEDED = [24, 12];
const [major, minor] = process.versions.node.split(".").map(Number);

if (process.argv.length === 3 && (process.argv[2] === "--version" || process.argv[2] === "-V")) {
  process.stdout.write(`skrei ${module.createRequire(import.meta.url)("../package.json").version}\n`);
} else if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `error: Skrei needs Node ${NEEDED.join(".")} or newer, this is ${process.version} at ${process.execPath}\n` +
      "  fix: Install it from https://nodejs.org, or run npm install in Skrei's folder and then npx skrei, which brings its own\n",
  );
  process.exitCode = 2;
} else {
  module.enableCompileCache();
  // A promise: what waits at top level does not parse everywhere.
  void import("../src/main.ts").then(({ main }) => main(process.argv.slice(2)));
}
