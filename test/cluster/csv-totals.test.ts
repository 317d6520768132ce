import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { useCluster } from "../kit/use-cluster.ts";

const cluster = useCluster({ nodes: 1 });
const EXAMPLE = fileURLToPath(new URL("../../examples/csv-totals/", import.meta.url));

test("four partitions divide the lines of two files among them, and every line is counted once", async () => {
  const { code, stdout, stderr } = await cluster().runCli(["run", "-d", "-f", join(EXAMPLE, "job.yaml")]);
  expect(code, stderr).toBe(0);
  const job = stdout.trim();
  await cluster().waitForJob(job, "completed");
  const folder = await mkdtemp(join(cluster().folder, "got-"));
  const got = await cluster().runCli(["job", "get", job, "--to", folder]);
  expect(got.code, got.stderr).toBe(0);
  const tables = await Promise.all(
    (await readdir(folder))
      .filter((name) => /^\d+$/u.test(name))
      .map((name) => readFile(join(folder, name, "outputs/outputs/totals.csv"), "utf8")),
  );
  expect(tables).toHaveLength(4);
  expect(tables.every((table) => rowsOf(table).length > 0)).toBe(true);
  expect(sumOf(tables.flatMap(rowsOf))).toEqual(sumOf(rowsOf(await readFile(join(EXAMPLE, "expected/totals.csv"), "utf8"))));
});

type Row = readonly [country: string, orders: number, cents: number];

function rowsOf(table: string): readonly Row[] {
  const lines = table.trimEnd().split("\n").slice(1);
  return lines.map((line) => line.split(",")).map(([country = "", orders, cents]): Row => [country, Number(orders), Number(cents)]);
}

function sumOf(rows: readonly Row[]): Readonly<Record<string, readonly [number, number]>> {
  const sums: Record<string, readonly [number, number]> = {};
  for (const [country, orders, cents] of rows) {
    const [allOrders, allCents] = sums[country] ?? [0, 0];
    sums[country] = [allOrders + orders, allCents + cents];
  }
  return sums;
}
