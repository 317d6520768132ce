import { defineConfig } from "vitest/config";

/**
 * One project a level, so that each can be run alone. Everything above `unit` needs what `npm run setup:test` provides and fails
 * loudly without it.
 */
const level = (name: string, include: string[], options: object = {}): object => ({
  test: { name, include, testTimeout: 30_000, hookTimeout: 60_000, ...options },
});

export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/count-reporter.ts"],
    // Two cores: more workers only make real servers wait for each other.
    maxWorkers: 2,
    projects: [
      level("unit", ["services/**/src/**/*.test.ts", "cli/src/**/*.test.ts", "test/tidy/**/*.test.ts", "test/kit/**/*.test.ts"]),
      level("contract", ["test/contract/**/*.test.ts"], { testTimeout: 60_000 }),
      level("simulation", ["test/simulation/**/*.test.ts"], { testTimeout: 120_000 }),
      level("cluster", ["test/cluster/**/*.test.ts"], { testTimeout: 180_000, fileParallelism: false }),
      level("network", ["test/network/**/*.test.ts"], { testTimeout: 180_000, fileParallelism: false }),
      level("faults", ["test/faults/**/*.test.ts"], { testTimeout: 300_000, fileParallelism: false }),
    ],
  },
});
