import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type Lab, ORIGIN_ADDRESS, startLab } from "../kit/lab.ts";

const run = promisify(execFile);

async function inLab(lab: Lab, ...command: readonly string[]): Promise<string> {
  const [file = "", ...args] = [...lab.resolvingPlace.command, ...command];
  const { stdout } = await run(file, args, { timeout: 20_000 });
  return stdout;
}

test("canaries own every address that is not an origin's, and remember what they were sent", async () => {
  await using lab = await startLab();
  const addresses = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.1.1", "8.8.8.8", "[::1]", "[fd00:ec2::254]", "[2002:7f00:1::]"];
  for (const address of addresses)
    await inLab(lab, "curl", "--silent", "--max-time", "0.3", `http://${address}:6379/secret`).catch(() => undefined); // No answer.
  const { canaries } = await lab.takeSightings();
  expect(canaries.map(({ address, port }) => `${address} ${port}`)).toEqual(
    addresses.map((text) => `${text.replaceAll(/[[\]]/gu, "")} 6379`),
  );
  expect(canaries[2]).toMatchObject({ bytes: expect.any(Number), begin: expect.stringContaining("GET /secret HTTP/1.1") });
});

test("origins answer by name, plain and with a certificate of the lab's authority", async () => {
  await using lab = await startLab();
  await lab.setZone({ "www.example.com": [{ cname: "edge.example.net" }], "edge.example.net": [{ a: [ORIGIN_ADDRESS] }] });
  expect(await inLab(lab, "curl", "--silent", "--max-time", "5", "http://www.example.com/a")).toBe("hello from www.example.com/a\n");
  const authority = ["--cacert", `${lab.folder}/authority.pem`];
  expect(await inLab(lab, "curl", "--silent", "--max-time", "5", ...authority, "https://www.example.com/b")).toBe(
    "hello from www.example.com/b\n",
  );
  const { canaries, requests, connections, queries } = await lab.takeSightings();
  expect(canaries).toEqual([]);
  expect(requests.map(({ scheme, address, path }) => `${scheme} ${address} ${path}`)).toEqual([
    `http ${ORIGIN_ADDRESS} /a`,
    `https ${ORIGIN_ADDRESS} /b`,
  ]);
  expect(connections.every(({ bytes }) => bytes > 50)).toBe(true);
  expect(queries["www.example.com"]).toBeGreaterThan(0);
});

test("the name server gives its answers in turn, sends what is large by TCP, and knows nothing else", async () => {
  await using lab = await startLab();
  const many = Array.from({ length: 400 }, (_, index) => `93.184.${index >> 8}.${index & 255}`);
  await lab.setZone({
    "turn.example.com": [{ a: ["93.184.215.14"], ttlSeconds: 0 }, { a: ["127.0.0.1"] }],
    "huge.example.com": [{ a: many }],
    "broken.example.com": [{ fails: "SERVFAIL" }],
  });
  const script = `const dns = require("node:dns").promises; const ask = (name) => dns.resolve4(name).catch(({ code }) => code);
    (async () => console.log(JSON.stringify([await ask("turn.example.com"), await ask("turn.example.com"), await ask("turn.example.com"),
      (await ask("huge.example.com")).length, await ask("broken.example.com"), await ask("no.example.com")])))()`;
  expect(JSON.parse(await inLab(lab, process.execPath, "-e", script))).toEqual([
    ["93.184.215.14"],
    ["127.0.0.1"],
    ["93.184.215.14"],
    400,
    "ESERVFAIL",
    "ENOTFOUND",
  ]);
});
