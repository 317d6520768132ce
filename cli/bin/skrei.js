#!/usr/bin/env node
// Answers --version before anything is loaded; the rest of the program is TypeScript that Node runs as it stands.
import { createRequire, enableCompileCache } from "node:module";

if (process.argv.length === 3 && (process.argv[2] === "--version" || process.argv[2] === "-V")) {
  process.stdout.write(`skrei ${createRequire(import.meta.url)("../package.json").version}\n`);
} else {
  enableCompileCache();
  const { main } = await import("../src/main.ts");
  await main(process.argv.slice(2));
}
